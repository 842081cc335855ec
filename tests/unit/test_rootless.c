/* SPDX-License-Identifier: MIT */
/* Reading /etc/subuid. tests/cli/test_rootless.py tests the use of these ids. */
#include "base/cleanup.h"
#include "host/delegation.h"
#include "host/rootless.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "scratch_folder.h"

static bool ids_of(const char *text, const char *name, uid_t uid, uint32_t *first, uint32_t *count)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/subuid", scratch_folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    return rootless_read_ids(path, name, uid, first, count);
}

static void a_range_is_found_by_name_or_number(void **state)
{
    (void)state;
    uint32_t first = 0, count = 0;
    static const char text[] = "other:1:2\nann:100000:65536\n1001:300000:65536\n";
    assert_true(ids_of(text, "ann", 1000, &first, &count));
    assert_int_equal(first, 100000);
    assert_int_equal(count, 65536);
    assert_true(ids_of(text, NULL, 1001, &first, &count));
    assert_int_equal(first, 300000);
    assert_true(ids_of("ann:7:9", "ann", 1, &first, &count)); /* no newline at the end */
    assert_int_equal(count, 9);
}

static void the_largest_of_several_is_taken(void **state)
{
    (void)state;
    uint32_t first = 0, count = 0;
    assert_true(ids_of("ann:10:5\nann:100000:65536\nann:20:6\n", "ann", 1000, &first, &count));
    assert_int_equal(first, 100000);
}

static void what_is_no_range_of_the_user_is_none(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "\n",
        "ann",
        "ann:",
        "ann:1",
        "ann:1:",
        "ann:x:5\n",
        "ann:1:5x\n",
        "ann:-1:5\n",
        "ann: 1:5\n",
        "ann:0:5\n", /* root's own id must never be given to a user */
        "ann:1:0\n",
        "ann:4294967295:65536\n",
        "ann:1:4294967296\n",
        "anna:1:5\nan:1:5\n10001:1:5\n100:1:5\n",
        ":1:5\n",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        uint32_t first = 0, count = 0;
        if (ids_of(texts[i], "ann", 1000, &first, &count))
            fail_msg("'%s' gave %u from %u on", texts[i], count, first);
        assert_int_equal(count, 0);
    }
}

static void a_missing_file_has_none(void **state)
{
    (void)state;
    uint32_t first, count;
    assert_false(rootless_read_ids("/nonexistent/subuid", "ann", 1000, &first, &count));
}

static void limits_go_by_the_names_of_the_options(void **state)
{
    (void)state;
    char names[64];
    delegation_name_limits(names, sizeof(names), CGROUP_ALL);
    assert_string_equal(names, "memory,cpus,pids");
    delegation_name_limits(names, sizeof(names), CGROUP_PIDS | CGROUP_FREEZING);
    assert_string_equal(names, "pids");
    delegation_name_limits(names, sizeof(names), 0);
    assert_string_equal(names, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(a_range_is_found_by_name_or_number),
        SCRATCH_TEST(the_largest_of_several_is_taken),
        SCRATCH_TEST(what_is_no_range_of_the_user_is_none),
        SCRATCH_TEST(a_missing_file_has_none),
        SCRATCH_TEST(limits_go_by_the_names_of_the_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
