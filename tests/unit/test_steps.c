/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "run/steps.h"

#include <stdio.h>
#include <stdlib.h>

static void check(const char *expected, char *const *steps)
{
    char *script = steps_script(steps);
    assert_string_equal(script, expected);
    free(script);
}

static void test_each_step_has_a_shell_of_its_own(void **state)
{
    (void)state;
    char first[] = "echo a", second[] = "cd /; false", none[] = "";
    char *one[] = {first, NULL}, *two[] = {first, second, NULL}, *empty[] = {none, NULL};
    check("sh -c 'echo a'", one);
    check("sh -c 'echo a' && sh -c 'cd /; false'", two);
    check("sh -c ''", empty);
}

static void test_quotes_lead_out_of_none(void **state)
{
    (void)state;
    char first[] = "'", second[] = "a'b''c", third[] = "$(x) \"y\" \\ \n&";
    char *steps[] = {first, second, third, NULL};
    check("sh -c ''\\''' && sh -c 'a'\\''b'\\'''\\''c' && sh -c '$(x) \"y\" \\ \n&'", steps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_step_has_a_shell_of_its_own),
        cmocka_unit_test(test_quotes_lead_out_of_none),
    };
    return cmocka_run_group_tests_name("steps", tests, NULL, NULL);
}
