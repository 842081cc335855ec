/* SPDX-License-Identifier: MIT */
/* Where a layer's paths lead, and how many files its whiteout marks look at, whatever the number of
 * marks. tests/cli/test_image_layers.py tests the effect of the marks. */
#include "unit.h"

#include "image/unpack_layer.h"

#include "scratch_folder.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES = 200, MARKS = 200 };

static void make_file(const char *path)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    close(fd);
}

static void apply(struct layer_paths *paths, const char *path)
{
    lrun_error err = {0};
    bool is_mark = false;
    assert_int_equal(layer_apply_mark(paths, path, &is_mark, &err), 0);
    assert_true(is_mark);
}

/* Creates a/b with files that this layer has written, and a file of a layer below. */
static void make_tree(struct layer_paths *paths)
{
    lrun_error err = {0};
    assert_int_equal(mkdir("a", 0755), 0);
    assert_int_equal(mkdir("a/b", 0755), 0);
    for (int i = 0; i < FILES; i++) {
        char path[32];
        snprintf(path, sizeof(path), "a/b/%d", i);
        make_file(path);
        assert_int_equal(layer_paths_add(paths, path, &err), 0);
    }
    make_file("a/b/lower");
}

static void clear_away(struct layer_paths *paths)
{
    layer_paths_free(paths);
    struct layer_paths nothing = {0};
    apply(&nothing, ".wh.a");
    layer_paths_free(&nothing);
}

static void check(const char *mark, const char *other)
{
    struct layer_paths paths = {0};
    make_tree(&paths);
    for (int i = 0; i < MARKS; i++) {
        apply(&paths, mark);
        apply(&paths, other);
    }
    assert_int_equal(access("a/b/lower", F_OK), -1);
    assert_int_equal(access("a/b/7", F_OK), 0);
    /* Each file once, and a few steps per mark. A walk per mark would see 2 * MARKS * FILES. */
    assert_true(paths.seen >= FILES);
    assert_true(paths.seen <= FILES + 4 * 2 * MARKS);
    clear_away(&paths);
}

static void marks_of_one_folder_look_at_its_files_once(void **state)
{
    (void)state;
    check("a/b/.wh..wh..opq", "a/b/.wh..wh..opq");
    check("a/.wh.b", "a/b/.wh..wh..opq");
    check("a/.wh.b", "a/.wh.b");
}

static void marks_of_a_folder_and_those_above_it_as_well(void **state)
{
    (void)state;
    check("a/b/.wh..wh..opq", "a/.wh..wh..opq");
    check("a/.wh.b", ".wh.a");
}

static void a_folder_that_is_cleared_can_still_be_removed(void **state)
{
    (void)state;
    struct layer_paths paths = {0};
    assert_int_equal(mkdir("a", 0755), 0);
    assert_int_equal(mkdir("a/b", 0755), 0);
    make_file("a/b/lower");
    apply(&paths, "a/b/.wh..wh..opq");
    assert_int_equal(access("a/b", F_OK), 0);
    apply(&paths, "a/.wh.b");
    assert_int_equal(access("a/b", F_OK), -1);
    assert_int_equal(mkdir("a/c", 0755), 0);
    apply(&paths, "a/c/.wh..wh..opq");
    apply(&paths, "a/.wh..wh..opq");
    assert_int_equal(access("a/c", F_OK), -1);
    assert_int_equal(access("a", F_OK), 0);
    clear_away(&paths);
}

/* Returns the path, tidied and resolved, or NULL if it is rejected. malloc'd. */
static char *place_of(const char *path)
{
    lrun_error err = {0};
    char *copy = strdup(path);
    assert_non_null(copy);
    if (layer_tidy(copy, &err) == 0 && layer_resolve(&copy, &err) == 0)
        return copy;
    assert_int_equal(err.code, LRUN_IMAGE_INVALID);
    free(copy);
    return NULL;
}

static void links_on_the_way_are_followed_and_lead_nowhere_else(void **state)
{
    static const char *const links[][2] = {
        {"later", "usr/lib"},        {"absolute", "/usr/lib"},   {"up", "../../../usr"},
        {"chain", "later/x"},        {"round", "round2"},        {"round2", "./round"},
        {"usr/back", "../later/.."}, {"trailing", "usr/lib///"}, {"self", "."},
    };
    static const char *const places[][2] = {
        {"a", "a"},
        {"./a//b/", "a/b"},
        {".", "."},
        {"./", "."},
        {"a/..", "."},
        {"a/b/../../c", "c"},
        {"..", NULL},
        {"a/../../b", NULL},
        {"...", "..."},
        {"a/..b", "a/..b"},
        {"later", "later"}, /* the last name is the link itself */
        {"later/x", "usr/lib/x"},
        {"later/../x", "x"}, /* ".." in the path itself is resolved as text */
        {"absolute/x/y", "usr/lib/x/y"},
        {"up/x", "usr/x"},
        {"chain/y", "usr/lib/x/y"},
        {"round/x", NULL},
        {"usr/back/x", "usr/x"},
        {"trailing/x", "usr/lib/x"},
        {"self/self/x", "x"},
        {"file/x", "file/x"}, /* the writer rejects it */
    };
    (void)state;
    assert_int_equal(mkdir("usr", 0755), 0);
    make_file("file");
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
        assert_int_equal(symlink(links[i][1], links[i][0]), 0);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char *found = place_of(places[i][0]);
        if (places[i][1])
            assert_string_equal(found ? found : "refused", places[i][1]);
        else
            assert_null(found);
        free(found);
    }
    struct layer_paths nothing = {0};
    apply(&nothing, ".wh..wh..opq");
    layer_paths_free(&nothing);
}

static void a_path_that_links_make_too_long_is_refused(void **state)
{
    char target[4001], path[8200];
    (void)state;
    memset(target, 'x', sizeof(target));
    for (size_t i = 200; i < sizeof(target); i += 200)
        target[i] = '/';
    target[sizeof(target) - 1] = '\0';
    assert_int_equal(symlink(target, "long"), 0);
    snprintf(path, sizeof(path), "long/%s/y", target);
    assert_null(place_of(path));
    assert_int_equal(unlink("long"), 0);
}

static void the_last_entry_of_a_name_takes_the_place_of_all_before(void **state)
{
    lrun_error err = {0};
    (void)state;
    struct layer_paths paths = {0};
    make_tree(&paths);
    assert_int_equal(layer_make_way(&paths, "a", true, &err), 0);
    assert_int_equal(access("a/b/7", F_OK), 0);
    assert_int_equal(layer_make_way(&paths, "a", false, &err), 0);
    assert_int_equal(access("a", F_OK), -1);
    layer_paths_free(&paths);
}

/* The paths are relative to the working directory. */
static int enter(void **state)
{
    return scratch_folder_make(state) == 0 ? chdir(scratch_folder) : -1;
}

static int leave(void **state)
{
    return chdir("/") == 0 ? scratch_folder_remove(state) : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_of_one_folder_look_at_its_files_once),
        cmocka_unit_test(marks_of_a_folder_and_those_above_it_as_well),
        cmocka_unit_test(a_folder_that_is_cleared_can_still_be_removed),
        cmocka_unit_test(links_on_the_way_are_followed_and_lead_nowhere_else),
        cmocka_unit_test(a_path_that_links_make_too_long_is_refused),
        cmocka_unit_test(the_last_entry_of_a_name_takes_the_place_of_all_before),
    };
    return cmocka_run_group_tests_name("unpack_layer", tests, enter, leave);
}
