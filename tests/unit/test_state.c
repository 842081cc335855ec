/* SPDX-License-Identifier: MIT */
/* Points in time, as light-runner and other programs write them into states. */
#include "base/timestamp.h"
#include "wire/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_times(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01T00:00:01.500Z", 1500},
        {"2026-01-31T12:00:00.123Z", 1769860800123},
        {"2026-01-31T12:00:00.123456789Z", 1769860800123},
        {"2026-01-31T13:00:00+01:00", 1769860800000},
        {"2026-01-31T06:30:00-05:30", 1769860800000},
        {"2026-01-31T12:00:00+00:00", 1769860800000},
        {"2026-01-31T12:00:00", -1},
        {"2026-01-31T12:00:00+01", -1},
        {"2026-01-31T12:00:00+01:00x", -1},
        {"2026-01-31 12:00:00Z", -1},
        {"", -1},
        {"rubbish", -1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(timestamp_parse(rows[i].text), rows[i].ms);
    assert_int_equal(timestamp_parse(NULL), -1);
}

static void test_there_and_back(void **state)
{
    char text[32];
    (void)state;
    timestamp_format(text, 1769860800123);
    assert_string_equal(text, "2026-01-31T12:00:00.123Z");
    assert_int_equal(timestamp_parse(text), 1769860800123);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
