/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "wire/fields.h"

static struct frame frame_of(const char *bytes, size_t length)
{
    return (struct frame){.type = FRAME_HELLO, .length = (uint32_t)length, .payload = bytes};
}
#define FRAME_OF(literal) frame_of(literal, sizeof(literal) - 1)

static void test_round_trip(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 1000);
    assert_true(fields_add(&b, "arg", "sh"));
    assert_true(fields_add(&b, "arg", ""));
    assert_true(fields_add(&b, "env", "A=B=C"));
    assert_true(fields_add_u64(&b, "max", UINT64_MAX));
    struct frame f = frame_of(buffer_data(&b), buffer_length(&b));
    assert_true(fields_valid(&f));
    assert_string_equal(fields_get(&f, "arg"), "sh");
    assert_string_equal(fields_get(&f, "env"), "A=B=C");
    assert_null(fields_get(&f, "ar"));
    assert_null(fields_get(&f, "args"));
    uint64_t n = 0;
    assert_true(fields_get_u64(&f, "max", &n));
    assert_true(n == UINT64_MAX);
    assert_false(fields_get_u64(&f, "arg", &n));
    assert_false(fields_get_u64(&f, "absent", &n));
    buffer_free(&b);
}

static void test_walks_repeated_keys_in_order(void **state)
{
    (void)state;
    struct frame f = FRAME_OF("a=1\0b=2\0a=3\0");
    const char *at = NULL, *key, *value;
    size_t length;
    char seen[32] = "";
    while (fields_next(&f, &at, &key, &length, &value)) {
        strncat(seen, key, length);
        strcat(seen, value);
    }
    assert_string_equal(seen, "a1b2a3");
}

static void test_empty_payload_is_valid(void **state)
{
    (void)state;
    struct frame f = FRAME_OF("");
    assert_true(fields_valid(&f));
    assert_null(fields_get(&f, "a"));
}

static void test_what_is_no_field_is_not_valid(void **state)
{
    (void)state;
    struct frame bad[] = {
        FRAME_OF("a=1"), FRAME_OF("a=1\0b"),       FRAME_OF("a\0"),
        FRAME_OF("\0"),  FRAME_OF("a=1\0\0b=2\0"),
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(fields_valid(&bad[i]));
}

static void test_full_buffer_refuses_a_field(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 5);
    assert_false(fields_add(&b, "key", "v"));
    assert_int_equal(buffer_length(&b), 0);
    assert_true(fields_add(&b, "key", ""));
    buffer_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_walks_repeated_keys_in_order),
        cmocka_unit_test(test_empty_payload_is_valid),
        cmocka_unit_test(test_what_is_no_field_is_not_valid),
        cmocka_unit_test(test_full_buffer_refuses_a_field),
    };
    return cmocka_run_group_tests_name("fields", tests, NULL, NULL);
}
