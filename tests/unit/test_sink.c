/* SPDX-License-Identifier: MIT */
/* The sink creates no file that a sandbox sends outside the folder, or through a link in it. */
#include "base/cleanup.h"
#include "base/io.h"
#include "run/sink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "scratch_folder.h"

#define top      scratch_folder
#define MODIFIED ((struct timespec){.tv_sec = 1500000000, .tv_nsec = 123456789})
static char to[128], outside[128];

static int make_top(void **state)
{
    if (scratch_folder_make(state) < 0)
        return -1;
    snprintf(to, sizeof(to), "%s/to", top);
    snprintf(outside, sizeof(outside), "%s/outside", top);
    return mkdir(outside, 0755);
}

static struct sink open_sink(uint64_t max)
{
    struct sink s;
    lrun_error err = {0};
    assert_int_equal(sink_open(&s, to, 022, max, &err), 0);
    return s;
}

static int write_file(struct sink *s, const char *path, const char *text, lrun_error *err)
{
    return sink_file(s, path, 0644, MODIFIED, err) < 0 ||
                   sink_data(s, text, strlen(text), err) < 0 || sink_file_end(s, err) < 0
               ? -1
               : 0;
}

static void assert_file(const char *folder, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    cleanup_free char *found = io_read_file_at(AT_FDCWD, path, 4096, NULL);
    if (!text) {
        assert_null(found);
        return;
    }
    assert_non_null(found);
    assert_string_equal(found, text);
}

static void files_and_folders_land_beneath(void **state)
{
    (void)state;
    struct sink s = open_sink(1 << 20);
    lrun_error err = {0};
    assert_int_equal(sink_folder(&s, "a", 0755, MODIFIED, &err), 0);
    assert_int_equal(sink_folder(&s, "a/b", 0500, MODIFIED, &err), 0);
    assert_int_equal(write_file(&s, "a/b/c", "hello", &err), 0);
    assert_int_equal(s.bytes, 3 * 512 + 512);
    sink_close(&s);
    assert_file(to, "a/b/c", "hello");
}

static void names_that_lead_out_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"../x", "a/../../x", "/etc/x", "",   ".",
                                        "..",   "a//b",      "a/",     "./x"};
    struct sink s = open_sink(1 << 20);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        lrun_error err = {0};
        assert_int_equal(sink_file(&s, names[i], 0644, MODIFIED, &err), -1);
        assert_int_equal(sink_folder(&s, names[i], 0755, MODIFIED, &err), -1);
        assert_non_null(strstr(err.message, "path traversal rejected"));
    }
    sink_close(&s);
    assert_file(top, "x", NULL);
}

static void a_link_that_lies_there_is_not_followed(void **state)
{
    (void)state;
    struct sink s = open_sink(1 << 20);
    lrun_error err = {0};
    char link[256];
    snprintf(link, sizeof(link), "%s/way", to);
    assert_int_equal(symlink(outside, link), 0);
    assert_int_equal(write_file(&s, "way/x", "bad", &err), -1);
    assert_int_equal(sink_folder(&s, "way", 0755, MODIFIED, &err), -1);
    assert_int_equal(sink_folder(&s, "way/sub", 0755, MODIFIED, &err), -1);
    sink_close(&s);
    assert_file(outside, "x", NULL);
    assert_file(outside, "sub", NULL);
}

static void a_link_in_a_files_place_is_replaced(void **state)
{
    (void)state;
    struct sink s = open_sink(1 << 20);
    lrun_error err = {0};
    char link[256], target[256];
    snprintf(target, sizeof(target), "%s/target", outside);
    snprintf(link, sizeof(link), "%s/file", to);
    assert_int_equal(symlink(target, link), 0);
    assert_int_equal(write_file(&s, "file", "ours", &err), 0);
    sink_close(&s);
    assert_file(outside, "target", NULL);
    assert_file(to, "file", "ours");
}

static void a_hard_link_in_a_files_place_is_replaced(void **state)
{
    (void)state;
    struct sink s = open_sink(1 << 20);
    lrun_error err = {0};
    char path[256], target[256];
    snprintf(target, sizeof(target), "%s/target", outside);
    snprintf(path, sizeof(path), "%s/file", to);
    close(open(target, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    assert_int_equal(link(target, path), 0);
    assert_int_equal(write_file(&s, "file", "ours", &err), 0);
    sink_close(&s);
    assert_file(outside, "target", "");
    assert_file(to, "file", "ours");
}

static void setuid_bits_do_not_come_out(void **state)
{
    (void)state;
    struct sink s = open_sink(1 << 20);
    lrun_error err = {0};
    char path[256];
    struct stat st;
    assert_int_equal(sink_file(&s, "suid", 06755, MODIFIED, &err), 0);
    assert_int_equal(sink_file_end(&s, &err), 0);
    sink_close(&s);
    snprintf(path, sizeof(path), "%s/suid", to);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0755);
}

static mode_t mode_of(const char *name)
{
    char path[256];
    struct stat st;
    snprintf(path, sizeof(path), "%s/%s", to, name);
    assert_int_equal(lstat(path, &st), 0);
    return st.st_mode & 07777;
}

static bool is_of_that_time(const char *name)
{
    char path[256];
    struct stat st;
    snprintf(path, sizeof(path), "%s/%s", to, name);
    assert_int_equal(lstat(path, &st), 0);
    return st.st_mtim.tv_sec == MODIFIED.tv_sec && st.st_mtim.tv_nsec == MODIFIED.tv_nsec;
}

/* Files and folders keep their times, even folders that have got more files since. A folder that
 * existed before belongs to the caller, and its time is not set. */
static void times_are_kept(void **state)
{
    (void)state;
    struct sink s = open_sink(1 << 20);
    lrun_error err = {0};
    char path[256];
    snprintf(path, sizeof(path), "%s/there", to);
    assert_int_equal(mkdir(path, 0755), 0);
    static const char *const folders[] = {"there", "a", "a/b", "a/b/c", "ab"};
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        assert_int_equal(sink_folder(&s, folders[i], 0500, MODIFIED, &err), 0);
        snprintf(path, sizeof(path), "%s/f", folders[i]);
        assert_int_equal(write_file(&s, path, "text", &err), 0);
    }
    assert_true(is_of_that_time("a"));
    assert_false(is_of_that_time("ab")); /* control: more files may come */
    sink_close(&s);
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        assert_int_equal(is_of_that_time(folders[i]), strcmp(folders[i], "there") != 0);
        snprintf(path, sizeof(path), "%s/f", folders[i]);
        assert_true(is_of_that_time(path));
    }
}

/* The umask is the caller's, whatever the umask of this process is. */
static void modes_are_cut_by_the_umask_that_is_given(void **state)
{
    (void)state;
    static const struct {
        mode_t mask, folder, file;
    } cases[] = {{0, 0777, 0666}, {022, 0755, 0644}, {002, 0775, 0664}, {077, 0700, 0600}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sink s;
        lrun_error err = {0};
        snprintf(to, sizeof(to), "%s/to%zu", top, i);
        assert_int_equal(sink_open(&s, to, cases[i].mask, 1 << 20, &err), 0);
        assert_int_equal(sink_folder(&s, "d", 0777, MODIFIED, &err), 0);
        assert_int_equal(sink_file(&s, "d/f", 0666, MODIFIED, &err), 0);
        assert_int_equal(sink_file_end(&s, &err), 0);
        sink_close(&s);
        assert_int_equal(mode_of(""), cases[i].folder);
        assert_int_equal(mode_of("d"), cases[i].folder);
        assert_int_equal(mode_of("d/f"), cases[i].file);
    }
}

static void half_a_file_does_not_stay(void **state)
{
    (void)state;
    struct sink s = open_sink(1 << 20);
    lrun_error err = {0};
    assert_int_equal(sink_folder(&s, "d", 0755, MODIFIED, &err), 0);
    assert_int_equal(write_file(&s, "d/whole", "whole", &err), 0);
    assert_int_equal(sink_file(&s, "d/half", 0644, MODIFIED, &err), 0);
    assert_int_equal(sink_data(&s, "half", 4, &err), 0);
    assert_file(to, "d/half", "half"); /* control */
    sink_close(&s);
    assert_file(to, "d/half", NULL);
    assert_file(to, "d/whole", "whole");
}

static void a_repository_that_was_there_is_not_touched(void **state)
{
    (void)state;
    static const char *const refused[] = {".git/hooks/post-checkout", ".git", ".GIT/config",
                                          "sub/.git/config"};
    char path[256];
    struct sink s = open_sink(1 << 20);
    lrun_error err = {0};
    sink_close(&s);
    static const char *const there[] = {".git", ".git/hooks", ".GIT", "sub", "sub/.git"};
    for (size_t i = 0; i < sizeof(there) / sizeof(there[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", to, there[i]);
        assert_int_equal(mkdir(path, 0755), 0);
    }
    s = open_sink(1 << 20);
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        assert_int_equal(write_file(&s, refused[i], "evil", &err), -1);
        assert_non_null(strstr(err.message, "Git repository"));
        assert_file(to, refused[i], NULL);
    }
    assert_int_equal(sink_folder(&s, ".git", 0755, MODIFIED, &err), -1);
    /* Names that only resemble .git, and a repository that is extracted as a whole. */
    assert_int_equal(write_file(&s, ".gitignore", "x", &err), 0);
    assert_int_equal(sink_folder(&s, "new", 0755, MODIFIED, &err), 0);
    assert_int_equal(sink_folder(&s, "new/.git", 0755, MODIFIED, &err), 0);
    assert_int_equal(sink_folder(&s, "new/.git/hooks", 0755, MODIFIED, &err), 0);
    assert_int_equal(write_file(&s, "new/.git/hooks/a", "x", &err), 0);
    sink_close(&s);
    assert_file(to, "new/.git/hooks/a", "x");
}

static void the_cap_counts_data_as_it_comes(void **state)
{
    (void)state;
    struct sink s = open_sink(512 + 1024);
    lrun_error err = {0};
    char block[1024] = {0};
    assert_int_equal(sink_file(&s, "f", 0644, MODIFIED, &err), 0);
    assert_int_equal(sink_data(&s, block, sizeof(block), &err), 0);
    assert_int_equal(sink_data(&s, block, 1, &err), -1);
    assert_non_null(strstr(err.message, "over the limit of 1536 bytes"));
    sink_close(&s);
}

static void the_cap_counts_empty_files(void **state)
{
    (void)state;
    struct sink s = open_sink(512 * 3);
    lrun_error err = {0};
    char name[] = "0";
    for (int i = 0; i < 3; i++, name[0]++)
        assert_int_equal(write_file(&s, name, "", &err), 0);
    assert_int_equal(write_file(&s, name, "", &err), -1);
    sink_close(&s);
}

static void to_that_is_a_file_is_refused(void **state)
{
    (void)state;
    struct sink s;
    lrun_error err = {0};
    close(open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    assert_int_equal(sink_open(&s, to, 022, 1, &err), -1);
    assert_non_null(strstr(err.message, "is not a folder"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_top, scratch_folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_and_folders_land_beneath),
        TEST(names_that_lead_out_are_refused),
        TEST(a_link_that_lies_there_is_not_followed),
        TEST(a_link_in_a_files_place_is_replaced),
        TEST(a_hard_link_in_a_files_place_is_replaced),
        TEST(setuid_bits_do_not_come_out),
        TEST(times_are_kept),
        TEST(modes_are_cut_by_the_umask_that_is_given),
        TEST(half_a_file_does_not_stay),
        TEST(a_repository_that_was_there_is_not_touched),
        TEST(the_cap_counts_data_as_it_comes),
        TEST(the_cap_counts_empty_files),
        TEST(to_that_is_a_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
