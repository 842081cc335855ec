/* SPDX-License-Identifier: MIT */
/* Structs of callers that were compiled against an older or a newer header. */
#include "unit.h"

#include "runner.h"

struct ours {
    size_t size;
    unsigned a, b;
};

static void test_what_a_caller_is_given(void **state)
{
    (void)state;
    const struct ours ours = {sizeof(ours), 1, 2};
    lrun_error e = LRUN_ERROR_INIT;
    struct {
        size_t size;
        unsigned a, behind;
    } older = {offsetof(struct ours, b), 7, 7};
    assert_int_equal(runner_give_struct(&older, older.size, &ours, sizeof(ours), "ours", &e), 0);
    assert_true(older.size == offsetof(struct ours, b) && older.a == 1 && older.behind == 7);
    struct {
        struct ours known;
        unsigned more;
    } newer = {{sizeof(newer), 7, 7}, 7};
    assert_int_equal(runner_give_struct(&newer, newer.known.size, &ours, sizeof(ours), "ours", &e),
                     0);
    assert_true(newer.known.size == sizeof(newer) && newer.known.a == 1 && newer.known.b == 2 &&
                newer.more == 0);
    assert_int_equal(runner_give_struct(&newer, 0, &ours, sizeof(ours), "ours", &e), -1);
    assert_int_equal(e.code, LRUN_INVALID_ARGUMENT);
    assert_non_null(strstr(e.message, "ours.size"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_caller_is_given),
    };
    return cmocka_run_group_tests_name("structs", tests, NULL, NULL);
}
