/* SPDX-License-Identifier: MIT */
/* The header, the library and the build have the same version. */
#include "unit.h"

#include "lightrunner.h"

#include <stdio.h>
#include <stdlib.h>

static void test_the_header_has_the_version_of_the_build(void **state)
{
    (void)state;
    char text[32];
    snprintf(text, sizeof(text), "%d.%d.%d", LRUN_VERSION_MAJOR, LRUN_VERSION_MINOR,
             LRUN_VERSION_PATCH);
    assert_string_equal(text, LIGHT_RUNNER_VERSION);
    assert_string_equal(LRUN_VERSION, LIGHT_RUNNER_VERSION);
}

static void test_the_library_says_the_version_of_the_build(void **state)
{
    (void)state;
    unsigned n = lrun_version_number();
    char text[32];
    snprintf(text, sizeof(text), "%u.%u.%u", n >> 16, n >> 8 & 255, n & 255);
    assert_string_equal(text, LIGHT_RUNNER_VERSION);
    assert_string_equal(lrun_version(), LIGHT_RUNNER_VERSION);
}

static void test_a_later_version_has_a_larger_number(void **state)
{
    (void)state;
    assert_true(LRUN_MAKE_VERSION(0, 1, 1) > LRUN_MAKE_VERSION(0, 1, 0));
    assert_true(LRUN_MAKE_VERSION(0, 2, 0) > LRUN_MAKE_VERSION(0, 1, 255));
    assert_true(LRUN_MAKE_VERSION(1, 0, 0) > LRUN_MAKE_VERSION(0, 255, 255));
}

static void test_an_unknown_code_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(lrun_code_name(LRUN_ENGINE_UNREACHABLE), "DOCKER_UNREACHABLE");
    assert_string_equal(lrun_code_name((lrun_code)(LRUN_POOL_EMPTY + 1)), "INTERNAL");
    assert_string_equal(lrun_code_name((lrun_code)-1), "INTERNAL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_header_has_the_version_of_the_build),
        cmocka_unit_test(test_the_library_says_the_version_of_the_build),
        cmocka_unit_test(test_a_later_version_has_a_larger_number),
        cmocka_unit_test(test_an_unknown_code_has_a_name),
    };
    return cmocka_run_group_tests_name("version", tests, NULL, NULL);
}
