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

/* An init function sets the caller's whole struct, and nothing after it. */
static void test_what_a_struct_starts_as(void **state)
{
    (void)state;
    struct {
        lrun_callbacks known;
        char more[8];
    } newer;
    memset(&newer, 7, sizeof(newer));
    lrun_callbacks_init(&newer.known, sizeof(newer) - 4);
    const lrun_callbacks initial = LRUN_CALLBACKS_INIT;
    assert_true(newer.known.size == sizeof(newer) - 4 && !newer.known.user);
    assert_true(newer.known.input_fd == -1 && newer.known.cancel_fd == -1);
    assert_true(initial.size == sizeof(initial) && initial.input_fd == -1 &&
                initial.cancel_fd == -1);
    assert_memory_equal(newer.more, "\0\0\0\0\7\7\7\7", 8);
    memset(&newer, 7, sizeof(newer));
    lrun_callbacks_init(&newer.known, offsetof(lrun_callbacks, cancel_fd));
    assert_true(newer.known.input_fd == -1 && newer.known.cancel_fd == 0x07070707);
    memset(&newer, 7, sizeof(newer));
    lrun_callbacks_init(&newer.known, 1);
    assert_true(newer.known.input_fd == 0x07070707);
}

/* Fields that the caller's struct does not have keep their defaults. */
static void test_callbacks_of_an_older_caller(void **state)
{
    (void)state;
    lrun_callbacks ours, older = LRUN_CALLBACKS_INIT;
    older.size = offsetof(lrun_callbacks, input_fd);
    older.user = &ours;
    older.input_fd = older.cancel_fd = 1;
    assert_int_equal(runner_take_callbacks(&ours, &older, NULL), 0);
    assert_true(ours.user == &ours && ours.input_fd == -1 && ours.cancel_fd == -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_caller_is_given),
        cmocka_unit_test(test_what_a_struct_starts_as),
        cmocka_unit_test(test_callbacks_of_an_older_caller),
    };
    return cmocka_run_group_tests_name("structs", tests, NULL, NULL);
}
