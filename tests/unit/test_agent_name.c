/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "tier/agent_name.h"

enum { NAMES = 64 };

static void test_form(void **state)
{
    (void)state;
    char name[AGENT_NAME_SIZE];
    lrun_error e = {0};
    memset(name, 'x', sizeof(name));
    assert_int_equal(agent_name_make(name, &e), 0);
    assert_int_equal(strlen(name), AGENT_NAME_SIZE - 1);
    size_t prefix = strlen(AGENT_NAME_PREFIX);
    assert_memory_equal(name, AGENT_NAME_PREFIX, prefix);
    assert_int_equal(strspn(name + prefix, "0123456789abcdef"), 2 * AGENT_NAME_RANDOM);
}

/* Names have 128 random bits: no two are ever the same, and no digit is always the same. */
static void test_names_differ(void **state)
{
    (void)state;
    char names[NAMES][AGENT_NAME_SIZE];
    lrun_error e = {0};
    for (size_t i = 0; i < NAMES; i++) {
        assert_int_equal(agent_name_make(names[i], &e), 0);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(names[i], names[j]);
    }
    for (size_t at = strlen(AGENT_NAME_PREFIX); at < AGENT_NAME_SIZE - 1; at++) {
        size_t same = 0;
        for (size_t i = 0; i < NAMES; i++)
            same += names[i][at] == names[0][at];
        assert_true(same < NAMES);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_names_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
