/* SPDX-License-Identifier: MIT */
/* Names of images, the index, and the store around it. Other tests cover the import through the
 * executable. */
#include "base/cleanup.h"
#include "base/io.h"
#include "image/index.h"
#include "image/staging.h"
#include "image/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define HEX_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEX_B "aaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define HEX_C "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

#define ENTRY(name, hex)                                                                           \
    "{\"name\":\"" name "\",\"digest\":\"sha256:" hex                                              \
    "\",\"size\":4,\"created\":\"2026-01-02T03:04:05Z\",\"config\":{\"entrypoint\":[\"/e\"],"      \
    "\"cmd\":[\"a\",\"b\"],\"env\":[\"A=1\"],\"user\":\"7\",\"workdir\":\"/w\"}}"
#define INDEX(version, entries) "{\"version\":" version ",\"images\":[" entries "]}"

/* -------------------------------------------------------------- names */

static void a_name_without_a_tag_gets_latest(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"busybox", "busybox:latest"},
        {"busybox:1.36", "busybox:1.36"},
        {"host:5000/a/b", "host:5000/a/b:latest"},
        {"host:5000/a/b:c", "host:5000/a/b:c"},
        {"A_b.c-d", "A_b.c-d:latest"},
        {"a@sha256:00", "a@sha256:00"},
    };
    char out[IMAGE_NAME_MAX + 1];
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        assert_int_equal(image_name_normalize(out, pairs[i][0], NULL), 0);
        assert_string_equal(out, pairs[i][1]);
    }
}

static void what_is_no_name_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"",    "-a",   ".a",   "/a",       "a b",
                                        "a\n", "a\"b", "a\\b", "\xc3\xa4", ("sha256:" HEX_A),
                                        "a:",  "a/"};
    char out[IMAGE_NAME_MAX + 1], name[IMAGE_NAME_MAX + 2];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        lrun_error err = {0};
        assert_int_equal(image_name_normalize(out, names[i], &err), -1);
        assert_int_equal(err.code, LRUN_INVALID_ARGUMENT);
    }
    memset(name, 'a', sizeof(name));
    name[IMAGE_NAME_MAX + 1] = '\0';
    assert_int_equal(image_name_normalize(out, name, NULL), -1);
    name[IMAGE_NAME_MAX] = '\0'; /* fits without its tag, but not with it */
    assert_int_equal(image_name_normalize(out, name, NULL), -1);
    name[IMAGE_NAME_MAX - strlen(":latest")] = '\0';
    assert_int_equal(image_name_normalize(out, name, NULL), 0);
    assert_int_equal(strlen(out), IMAGE_NAME_MAX);
}

/* -------------------------------------------------------------- the index */

static int parse(struct index *out, const char *text, lrun_error *err)
{
    return index_parse(out, text, strlen(text), err);
}

static void an_index_is_read_and_written_back_the_same(void **state)
{
    (void)state;
    static const char text[] = INDEX("1", ENTRY("a:latest", HEX_A) "," ENTRY("b:1", HEX_C));
    cleanup_index struct index first = {0}, second = {0};
    assert_int_equal(parse(&first, text, NULL), 0);
    cleanup_free char *dumped = index_dump(&first);
    assert_non_null(dumped);
    assert_int_equal(parse(&second, dumped, NULL), 0);
    cleanup_free char *again = index_dump(&second);
    assert_string_equal(dumped, again);
    assert_int_equal(second.count, 2);
    const struct image *b = index_find(&second, "b:1");
    assert_non_null(b);
    assert_string_equal(b->digest, "sha256:" HEX_C);
    assert_int_equal(b->size, 4);
    assert_string_equal(b->entrypoint[0], "/e");
    assert_string_equal(b->cmd[1], "b");
    assert_null(b->cmd[2]);
    assert_string_equal(b->env[0], "A=1");
    assert_string_equal(b->user, "7");
    assert_string_equal(b->workdir, "/w");
}

static void a_corrupt_index_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "{}",
        "{\"version\":1}",
        "{\"version\":\"1\",\"images\":[]}",
        "{\"version\":0,\"images\":[]}",
        "{\"version\":1,\"images\":{}}",
        INDEX("1", "7"),
        INDEX("1", "{}"),
        INDEX("1", ENTRY("a", HEX_A)),           /* not the stored form */
        INDEX("1", ENTRY("../a:latest", HEX_A)), /* not a name */
        INDEX("1", ENTRY("a:latest", "../../../../etc/passwd")),
        INDEX("1", ENTRY("a:latest", "AA")),
        INDEX("1", ENTRY("a:latest", HEX_A) "," ENTRY("a:latest", HEX_C)),
        "{\"version\":1,\"images\":[],\"images\":[]}",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        cleanup_index struct index index = {0};
        lrun_error err = {0};
        assert_int_equal(parse(&index, texts[i], &err), -1);
        assert_int_equal(err.code, LRUN_IO_FAILED);
        assert_non_null(strstr(err.message, "corrupt"));
    }
}

static void an_index_of_a_newer_version_is_refused(void **state)
{
    (void)state;
    cleanup_index struct index index = {0};
    lrun_error err = {0};
    assert_int_equal(parse(&index, "{\"version\":2,\"images\":\"changed\"}", &err), -1);
    assert_int_equal(err.code, LRUN_NOT_SUPPORTED);
    assert_non_null(strstr(err.message, "version 2"));
    assert_true(err.hint[0] != '\0');
}

/* -------------------------------------------------------------- the store */

static char data_dir[] = "/tmp/light-runner-test-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    strcpy(data_dir + strlen(data_dir) - 6, "XXXXXX");
    return mkdtemp(data_dir) && setenv("LIGHT_RUNNER_DATA_DIR", data_dir, 1) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    cleanup_close int parent = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return staging_remove_tree(parent, data_dir + strlen("/tmp/"));
}

static void write_at(int folder, const char *name, const char *text)
{
    assert_int_equal(io_write_file_atomic(folder, name, text, strlen(text), 0600), 0);
}

static void add(struct store *store, const char *name, const char *hex)
{
    char digest[IMAGE_DIGEST_LENGTH + 1];
    snprintf(digest, sizeof(digest), "sha256:%s", hex);
    struct image image = {.name = (char *)(uintptr_t)name,
                          .digest = digest,
                          .size = 4,
                          .created = (char[]){"2026-01-02T03:04:05Z"}};
    lrun_error err = {0};
    write_at(store->tmp, "new", "abcd");
    assert_int_equal(store_add(store, store->tmp, "new", &image, &err), 0);
}

static bool has_file(struct store *store, const char *hex)
{
    char file[IMAGE_HEX_LENGTH + 7];
    snprintf(file, sizeof(file), "%s.erofs", hex);
    return faccessat(store->images, file, F_OK, 0) == 0;
}

static int resolve(struct store *store, const char *name, char **digest, lrun_error *err)
{
    cleanup_image struct image image = {0};
    cleanup_close int fd = -1;
    if (store_resolve(store, name, &image, &fd, err) < 0)
        return -1;
    char text[4];
    assert_int_equal(read(fd, text, sizeof(text)), 4);
    assert_int_equal(write(fd, text, 1), -1);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    if (digest)
        *digest = strdup(image.digest);
    return 0;
}

static void an_image_is_found_by_name_digest_and_prefix(void **state)
{
    (void)state;
    cleanup_store struct store *store = NULL;
    lrun_error err = {0};
    assert_int_equal(store_open(&store, true, &err), 0);
    add(store, "a:latest", HEX_A);
    add(store, "b:1", HEX_B);
    add(store, "c:latest", HEX_C);
    static const char *const found[][2] = {
        {"a", HEX_A},
        {"a:latest", HEX_A},
        {"b:1", HEX_B},
        {("sha256:" HEX_C), HEX_C},
        {"0123456789ab", HEX_C},
        {"aaaaaaaaaaaab", HEX_B},
        {HEX_A, HEX_A},
    };
    for (size_t i = 0; i < sizeof(found) / sizeof(found[0]); i++) {
        cleanup_free char *digest = NULL;
        assert_int_equal(resolve(store, found[i][0], &digest, &err), 0);
        assert_string_equal(digest + 7, found[i][1]);
    }
    static const char *const missing[] = {"d",       "a:1",  "b",           "0123456789a", "",
                                          "sha256:", "../a", "aaaaaaaaaaaa" /* two match it */};
    for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
        assert_int_equal(resolve(store, missing[i], NULL, &err), -1);
        assert_int_equal(err.code, LRUN_START_FAILED);
    }
    assert_int_equal(resolve(store, "nope", NULL, &err), -1);
    assert_string_equal(err.message, "no image named 'nope'");
    assert_string_equal(err.hint,
                        "light-runner image pull NAME gets one, or image import FILE NAME");
}

static void a_store_that_is_not_there_is_empty(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof(path), "%s/none", data_dir);
    setenv("LIGHT_RUNNER_DATA_DIR", path, 1);
    cleanup_store struct store *store = NULL;
    lrun_error err = {0};
    struct image *images = NULL;
    size_t count = 1;
    assert_int_equal(store_open(&store, false, &err), 0);
    assert_int_equal(store_list(store, &images, &count, &err), 0);
    assert_int_equal(count, 0);
    store_list_free(images, count);
    assert_int_equal(resolve(store, "a", NULL, &err), -1);
    assert_int_equal(err.code, LRUN_START_FAILED);
    assert_int_equal(store_remove(store, "a", &err), -1);
    assert_int_equal(err.code, LRUN_IMAGE_NOT_FOUND);
    assert_int_equal(access(path, F_OK), -1);
}

static void a_file_lives_as_long_as_a_name_uses_it(void **state)
{
    (void)state;
    cleanup_store struct store *store = NULL;
    lrun_error err = {0};
    assert_int_equal(store_open(&store, true, &err), 0);
    add(store, "a:latest", HEX_A);
    add(store, "b:latest", HEX_A);
    assert_int_equal(store_remove(store, "a", &err), 0);
    assert_true(has_file(store, HEX_A));
    assert_int_equal(store_remove(store, "a", &err), -1);
    assert_int_equal(err.code, LRUN_IMAGE_NOT_FOUND);
    add(store, "b:latest", HEX_C); /* takes the name from the other image */
    assert_false(has_file(store, HEX_A));
    assert_true(has_file(store, HEX_C));
    assert_int_equal(store_remove(store, "0123456789abcdef", &err), 0);
    assert_false(has_file(store, HEX_C));
}

static void an_unreadable_index_is_never_overwritten(void **state)
{
    (void)state;
    static const char *const texts[] = {"{\"version\":2,\"images\":[]}", "{\"vers"};
    cleanup_store struct store *store = NULL;
    lrun_error err = {0};
    assert_int_equal(store_open(&store, true, &err), 0);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        write_at(store->images, "index.json", texts[i]);
        write_at(store->images, HEX_A ".erofs", "abcd");
        write_at(store->tmp, "new", "abcd");
        struct image image = {.name = (char[]){"a:latest"},
                              .digest = (char[]){"sha256:" HEX_A},
                              .size = 4,
                              .created = (char[]){""}};
        assert_int_equal(store_add(store, store->tmp, "new", &image, &err), -1);
        assert_int_equal(store_remove(store, "a", &err), -1);
        assert_int_equal(store_sweep(store, &err), -1);
        assert_true(err.hint[0] != '\0');
        cleanup_free char *now = io_read_file_at(store->images, "index.json", 4096, NULL);
        assert_string_equal(now, texts[i]);
        assert_true(has_file(store, HEX_A));
    }
}

static void a_sweep_takes_what_nobody_holds(void **state)
{
    (void)state;
    cleanup_store struct store *store = NULL, *other = NULL;
    lrun_error err = {0};
    assert_int_equal(store_open(&store, true, &err), 0);
    assert_int_equal(store_open(&other, true, &err), 0);
    add(store, "a:latest", HEX_A);
    write_at(store->images, HEX_C ".erofs", "abcd");
    cleanup_staging struct staging held = {.folder = -1};
    assert_int_equal(staging_begin(&held, store, &err), 0);
    write_at(held.folder, "file", "x");
    assert_int_equal(mkdirat(store->tmp, "0000000000000000", 0700), 0);
    assert_int_equal(mkdirat(store->tmp, "0000000000000000/deep", 0000), 0);
    assert_int_equal(symlinkat("/etc", store->tmp, "0000000000000000/link"), 0);
    assert_int_equal(symlinkat("/etc", store->tmp, "link"), 0);

    assert_int_equal(store_sweep(other, &err), 0);
    assert_int_equal(faccessat(store->tmp, "0000000000000000", F_OK, 0), -1);
    assert_int_equal(faccessat(store->tmp, "link", F_OK, AT_SYMLINK_NOFOLLOW), -1);
    assert_int_equal(access("/etc/passwd", F_OK), 0);
    assert_int_equal(faccessat(held.folder, "file", F_OK, 0), 0);
    assert_true(has_file(store, HEX_A));
    assert_false(has_file(store, HEX_C));
}

static void a_store_that_others_can_write_to_is_refused(void **state)
{
    (void)state;
    cleanup_store struct store *store = NULL, *again = NULL;
    lrun_error err = {0};
    assert_int_equal(store_open(&store, true, &err), 0);
    assert_int_equal(fchmod(store->images, 0777), 0);
    assert_int_equal(store_open(&again, false, &err), -1);
    assert_int_equal(err.code, LRUN_IO_FAILED);
}

int main(void)
{
#define IN_STORE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_without_a_tag_gets_latest),
        cmocka_unit_test(what_is_no_name_is_refused),
        cmocka_unit_test(an_index_is_read_and_written_back_the_same),
        cmocka_unit_test(a_corrupt_index_is_refused),
        cmocka_unit_test(an_index_of_a_newer_version_is_refused),
        IN_STORE(an_image_is_found_by_name_digest_and_prefix),
        IN_STORE(a_store_that_is_not_there_is_empty),
        IN_STORE(a_file_lives_as_long_as_a_name_uses_it),
        IN_STORE(an_unreadable_index_is_never_overwritten),
        IN_STORE(a_sweep_takes_what_nobody_holds),
        IN_STORE(a_store_that_others_can_write_to_is_refused),
    };
    return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
