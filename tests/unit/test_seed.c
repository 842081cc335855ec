/* SPDX-License-Identifier: MIT */
/* Copying files in: which files of the host's folder are taken, and which are left out. */
#include "base/cleanup.h"
#include "run/seed.h"
#include "wire/fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scratch_folder.h"

/* The result of the walk: a line "kind path mode\n" for each entry, "link path -> target\n" for a
 * link; and the number of bytes in all files. */
static char lines[65536];
static size_t data_bytes, most_waiting;

static void put_folder(const char *path)
{
    char full[512];
    snprintf(full, sizeof(full), "%s/%s", scratch_folder, path);
    assert_int_equal(mkdir(full, 0755), 0);
}

static void put_file(const char *path, size_t size, mode_t mode)
{
    char full[512];
    snprintf(full, sizeof(full), "%s/%s", scratch_folder, path);
    cleanup_close int fd = open(full, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    assert_int_equal(fchmod(fd, mode), 0);
}

static void put_link(const char *target, const char *path)
{
    char full[512];
    snprintf(full, sizeof(full), "%s/%s", scratch_folder, path);
    assert_int_equal(symlink(target, full), 0);
}

static void note(const struct frame *f)
{
    if (f->type == FRAME_DATA) {
        data_bytes += f->length;
    } else if (f->type == FRAME_ENTRY) {
        assert_true(fields_valid(f));
        char line[512];
        const char *target = fields_get(f, "target");
        snprintf(line, sizeof(line), "%s %s %s%s\n", fields_get(f, "kind"), fields_get(f, "path"),
                 target ? "-> " : "", target ? target : fields_get(f, "mode"));
        strcat(lines, line);
    }
}

static char *git_and_modules[] = {(char *)".git", (char *)"node_modules", NULL};

static struct request request = {.dir = scratch_folder, .ignore = git_and_modules};

static int walk(lrun_error *err)
{
    struct seed *seed;
    cleanup_buffer struct buffer out;
    bool done = false, complete = false;
    int failed = 0;
    lines[0] = '\0';
    data_bytes = most_waiting = 0;
    buffer_init(&out, 1 << 20);
    if (seed_open(&seed, &request, FRAME_SANDBOX, err) < 0)
        return -1;
    while (!done && !failed) {
        failed = seed_fill(seed, &out, 1000, &done, err);
        if (buffer_length(&out) > most_waiting)
            most_waiting = buffer_length(&out);
        struct frame f;
        while (frame_peek(&out, FRAME_AGENT_MAX, &f) == FRAME_OK) {
            note(&f);
            complete = f.type == FRAME_ENTRIES_END;
            frame_consume(&out, &f);
        }
    }
    seed_close(seed);
    assert_true(failed || complete);
    return failed;
}

static void contents_and_structure_are_kept(void **state)
{
    (void)state;
    lrun_error err = {0};
    put_folder("a");
    put_folder("a/empty");
    put_file("a/f", 5, 0640);
    put_file("run.sh", 3, 04755);
    assert_int_equal(walk(&err), 0);
    assert_non_null(strstr(lines, "dir a 755\n"));
    assert_non_null(strstr(lines, "dir a/empty 755\n"));
    assert_non_null(strstr(lines, "file a/f 640\n"));
    assert_non_null(strstr(lines, "file run.sh 755\n"));
    assert_true(strstr(lines, "dir a 755\n") < strstr(lines, "file a/f 640\n"));
    assert_int_equal(data_bytes, 8);
}

static void skipped_names_are_skipped_at_any_depth(void **state)
{
    (void)state;
    lrun_error err = {0};
    put_folder("a");
    put_folder("a/node_modules");
    put_file("a/node_modules/x", 1, 0644);
    put_folder(".git");
    put_folder("builder");
    assert_int_equal(walk(&err), 0);
    assert_null(strstr(lines, "node_modules"));
    assert_null(strstr(lines, ".git"));
    assert_non_null(strstr(lines, "dir builder"));
}

static void links_and_fifos_are_skipped(void **state)
{
    (void)state;
    lrun_error err = {0};
    char fifo[128];
    put_link("/etc/passwd", "file-link");
    put_link("/etc", "folder-link");
    put_link("nowhere", "dead-link");
    snprintf(fifo, sizeof(fifo), "%s/fifo", scratch_folder);
    assert_int_equal(mkfifo(fifo, 0644), 0);
    assert_int_equal(walk(&err), 0);
    assert_string_equal(lines, "");
}

/* The links of a tree that are copied in. Each has a line of its own, in any order. */
static void links_that_stay_inside_are_kept_when_asked_for(void **state)
{
    (void)state;
    lrun_error err = {0};
    static const char *const kept[][2] = {
        {"same", "f"},
        {"dot", "./f"},
        {"folder", "a"},
        {"itself", "."},
        {"a/up", "../f"},
        {"a/b/top", "../.."},
        {"chain", "a/up"},
        {"through", "folder/b/deep"},
        {"twice", "a//b/./deep"},
        {"around", "a/../f"},
        {"slash", "a/"},
        {"back", "folder/../f"},
        {"a/over", "../a/b/top/f"},
        {"deep", "a/b"},
    };
    static const char *const skipped[][2] = {
        {"absolute", "/etc/passwd"},
        {"out", "../x"},
        {"a/out", "../../x"},
        {"nowhere", "nothing"},
        {"loop", "loop"},
        {"one", "other"},
        {"other", "one"},
        {"to-absolute", "absolute"},
        {"to-out", "out"},
        {"ignored", ".git/f"},
        {"through-ignored", ".git/../f"},
        {"chain-ignored", "ignored"},
        {"file-as-folder", "f/x"},
        {"fifo-link", "fifo"},
        {"f-slash", "f/"},
        {"f-dot", "f/."},
        /* These links lead inside, but only as long as other links and folders do not change. */
        {"text-leads-out", "deep/../../f"},
        {"chain-leads-out", "text-leads-out"},
        {"back-in", "../in/f"},
        {"a/b/far", "top/../x"},
        {"root", "/"},
        {"a/node_modules-link", "../node_modules"},
    };
    char fifo[128];
    put_folder("a");
    put_folder("a/b");
    put_folder(".git");
    put_folder("node_modules");
    put_folder("etc");
    put_file("etc/passwd", 1, 0644);
    put_file("f", 1, 0644);
    put_file("a/b/deep", 1, 0644);
    put_file(".git/f", 1, 0644);
    snprintf(fifo, sizeof(fifo), "%s/fifo", scratch_folder);
    assert_int_equal(mkfifo(fifo, 0644), 0);
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        put_link(kept[i][1], kept[i][0]);
    for (size_t i = 0; i < sizeof(skipped) / sizeof(skipped[0]); i++)
        put_link(skipped[i][1], skipped[i][0]);
    request.links_inside = true;
    assert_int_equal(walk(&err), 0);
    request.links_inside = false;
    size_t count = 0;
    for (const char *at = lines; (at = strstr(at, "link ")); at++)
        count += at == lines || at[-1] == '\n';
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        char line[512];
        snprintf(line, sizeof(line), "link %s -> %s\n", kept[i][0], kept[i][1]);
        if (!strstr(lines, line))
            fail_msg("'%s' is not in '%s'", line, lines);
    }
    if (count != sizeof(kept) / sizeof(kept[0]))
        fail_msg("%zu links in '%s'", count, lines);
}

static void names_to_ignore_can_be_others(void **state)
{
    (void)state;
    lrun_error err = {0};
    char *others[] = {(char *)"secret", NULL}, *none[] = {NULL};
    put_folder("a");
    put_file("a/secret", 1, 0644);
    put_file("a/.git", 1, 0644);
    request.ignore = others;
    assert_int_equal(walk(&err), 0);
    assert_string_equal(lines, "dir a 755\nfile a/.git 644\n");
    request.ignore = none;
    assert_int_equal(walk(&err), 0);
    request.ignore = git_and_modules;
    assert_int_equal(data_bytes, 2);
}

static void a_large_file_comes_in_bounded_pieces(void **state)
{
    (void)state;
    lrun_error err = {0};
    put_file("large", 3000001, 0644);
    assert_int_equal(walk(&err), 0);
    assert_int_equal(data_bytes, 3000001);
    assert_true(most_waiting < 1000 + FRAME_DATA_MAX + 1000);
}

static void a_tree_without_end_is_an_error(void **state)
{
    (void)state;
    lrun_error err = {0};
    char path[1024] = "d";
    put_folder(path);
    for (int i = 0; i < 220; i++) {
        strcat(path, "/d");
        put_folder(path);
    }
    assert_int_equal(walk(&err), -1);
    assert_int_equal(err.code, LRUN_SEED_FAILED);
    assert_non_null(strstr(err.message, "levels deep"));
}

static void a_missing_folder_is_an_invalid_argument(void **state)
{
    (void)state;
    lrun_error err = {0};
    struct seed *seed;
    const struct request missing = {.dir = (char *)"/nonexistent"},
                         file = {.dir = (char *)"/etc/passwd"};
    assert_int_equal(seed_open(&seed, &missing, FRAME_SANDBOX, &err), -1);
    assert_int_equal(err.code, LRUN_INVALID_ARGUMENT);
    assert_non_null(strstr(err.hint, "folder"));
    assert_int_equal(seed_open(&seed, &file, FRAME_SANDBOX, &err), -1);
    assert_int_equal(err.code, LRUN_INVALID_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(contents_and_structure_are_kept),
        SCRATCH_TEST(skipped_names_are_skipped_at_any_depth),
        SCRATCH_TEST(links_and_fifos_are_skipped),
        SCRATCH_TEST(links_that_stay_inside_are_kept_when_asked_for),
        SCRATCH_TEST(names_to_ignore_can_be_others),
        SCRATCH_TEST(a_large_file_comes_in_bounded_pieces),
        SCRATCH_TEST(a_tree_without_end_is_an_error),
        SCRATCH_TEST(a_missing_folder_is_an_invalid_argument),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
