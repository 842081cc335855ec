/* SPDX-License-Identifier: MIT */
/* An error holds nothing of the errors that were set before it. */
#include "unit.h"

#include "base/error.h"

#include <errno.h>

static void test_nothing_of_an_earlier_error_is_left(void **state)
{
    (void)state;
    lrun_error e, empty = {0};
    for (int i = 0; i < 2; i++) {
        memset(&e, 'A', sizeof(e)); /* as if uninitialised */
        if (i == 0)
            error_set(&e, LRUN_IO_FAILED, "test", "text");
        else
            error_errno(&e, LRUN_IO_FAILED, "test", ENOENT, "text");
        assert_int_equal(e.code, LRUN_IO_FAILED);
        assert_string_equal(e.operation, "test");
        assert_string_equal(e.message, i == 0 ? "text" : "text: No such file or directory");
        /* To the last byte, because the whole struct goes through sockets and into copies. */
        assert_memory_equal(e.id, empty.id, sizeof(e.id));
        assert_memory_equal(e.hint, empty.hint, sizeof(e.hint));
        assert_int_equal(e.message[sizeof(e.message) - 1], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_of_an_earlier_error_is_left),
    };
    return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
