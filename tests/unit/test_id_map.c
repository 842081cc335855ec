/* SPDX-License-Identifier: MIT */
/* The map from ids inside a sandbox to ids outside. */
#include "host/id_map.h"

#include "unit.h"

#include <stdio.h>

static void check(const char *stretches, const char *user, const char *expected)
{
    struct id_map map;
    char text[ID_MAP_TEXT];
    id_map_init(&map, 100, 65536);
    assert_true(id_map_add(&map, stretches, user, 5000));
    id_map_text(&map, text);
    assert_string_equal(text, expected);
}

static void test_lines_are_in_the_order_of_the_ids_inside(void **state)
{
    (void)state;
    check(NULL, NULL, "0 100 65536\n");
    check(NULL, "", "0 100 65536\n");
    check("70000+3,90000+1", NULL, "0 100 65536\n70000 5000 3\n90000 5003 1\n");
    check("70000+3,90000+1", "80000:100000",
          "0 100 65536\n70000 5000 3\n80000 5003 1\n90000 5004 1\n100000 5005 1\n");
    check("70000+3", "70002:69999", "0 100 65536\n69999 5000 1\n70000 5001 3\n");
    check(NULL, "1000650000:0", "0 100 65536\n1000650000 5000 1\n");
}

static void test_what_is_no_high_id_adds_nothing(void **state)
{
    (void)state;
    static const char *const users[] = {
        "app", "1000", "65535:65535", "4294967295", "99999999999999999999:5",
        ":",   "-1",   "70000x",      ":70000x"};
    for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
        check(NULL, users[i], "0 100 65536\n");
        assert_false(id_map_is_needed(NULL, users[i]));
    }
    assert_false(id_map_is_needed("", NULL));
    assert_true(id_map_is_needed("70000+1", NULL));
    assert_true(id_map_is_needed(NULL, "app:70000"));
    check(NULL, "app:70000", "0 100 65536\n70000 5000 1\n");
}

static void test_stretches_that_make_no_sense(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "65535+1", "70000+0", "70000",   "70000+1,70000+1", "70000+2,70001+1", "70000+65535",
        "x+1",     "70000+x", "70000-1", "4294967295+2",    "4294967296+1",    ",70000+1"};
    struct id_map map;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        id_map_init(&map, 100, 65536);
        if (id_map_add(&map, bad[i], NULL, 5000))
            fail_msg("'%s' was taken", bad[i]);
    }
}

/* The longest possible map fits into one write to the kernel. A map with one more stretch is
 * rejected. */
static void test_the_most(void **state)
{
    (void)state;
    char stretches[ID_MAP_STRETCHES * 24 + 64], text[ID_MAP_TEXT];
    size_t used = 0;
    struct id_map map;
    for (unsigned i = 0; i < ID_MAP_STRETCHES; i++)
        used +=
            (size_t)snprintf(stretches + used, sizeof(stretches) - used, "%s%u+%u", i ? "," : "",
                             4200000000u + i * 600, ID_MAP_HIGH / ID_MAP_STRETCHES);
    id_map_init(&map, 0x7fff0000, 65536);
    assert_true(id_map_add(&map, stretches, "3000000000:3000000001", 0x7fff0000));
    id_map_text(&map, text);
    assert_true(strlen(text) < sizeof(text) - 1 && text[strlen(text) - 1] == '\n');
    assert_int_equal(map.count, ID_MAP_LINES);
    strcpy(stretches + used, ",4294000000+1");
    id_map_init(&map, 0, 65536);
    assert_false(id_map_add(&map, stretches, NULL, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_are_in_the_order_of_the_ids_inside),
        cmocka_unit_test(test_what_is_no_high_id_adds_nothing),
        cmocka_unit_test(test_stretches_that_make_no_sense),
        cmocka_unit_test(test_the_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
