/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "base/buffer.h"

#include <stdlib.h>

static void test_is_a_queue(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 100);
    assert_true(buffer_append(&b, "hello ", 6));
    assert_true(buffer_append(&b, "world", 5));
    assert_int_equal(buffer_length(&b), 11);
    buffer_consume(&b, 6);
    assert_memory_equal(buffer_data(&b), "world", 5);
    assert_int_equal(buffer_length(&b), 5);
    buffer_consume(&b, 5);
    assert_int_equal(buffer_length(&b), 0);
    buffer_free(&b);
}

static void test_never_holds_more_than_its_maximum(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 10);
    assert_true(buffer_append(&b, "0123456789", 10));
    assert_int_equal(buffer_room(&b), 0);
    assert_false(buffer_append(&b, "x", 1));
    assert_int_equal(buffer_length(&b), 10);
    buffer_consume(&b, 1);
    assert_true(buffer_append(&b, "x", 1));
    assert_false(buffer_append(&b, "y", 1));
    assert_memory_equal(buffer_data(&b), "123456789x", 10);
    assert_null(buffer_reserve(&b, 1));
    assert_null(buffer_reserve(&b, SIZE_MAX));
    buffer_free(&b);
}

static void test_empty_append_needs_no_room(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 0);
    assert_true(buffer_append(&b, "", 0));
    assert_false(buffer_append(&b, "x", 1));
    buffer_free(&b);
}

static void test_reserve_and_commit(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 10000);
    char *to = buffer_reserve(&b, 9000);
    assert_non_null(to);
    memcpy(to, "abc", 3);
    buffer_commit(&b, 3);
    assert_int_equal(buffer_length(&b), 3);
    assert_memory_equal(buffer_data(&b), "abc", 3);
    buffer_clear(&b);
    assert_int_equal(buffer_length(&b), 0);
    buffer_free(&b);
}

/* The bytes that come out are those that went in, whatever the order of the steps. */
static void test_keeps_order_over_many_steps(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 50000);
    unsigned seed = 1, in = 0, out = 0;
    for (int i = 0; i < 200000; i++) {
        seed = seed * 1103515245u + 12345u;
        unsigned char piece[512];
        size_t n = (seed >> 16) % sizeof(piece);
        if (seed & 1u << 30) {
            for (size_t k = 0; k < n; k++)
                piece[k] = (unsigned char)(in + k);
            if (buffer_append(&b, piece, n))
                in += (unsigned)n;
        } else {
            n = n < buffer_length(&b) ? n : buffer_length(&b);
            for (size_t k = 0; k < n; k++)
                assert_int_equal((unsigned char)buffer_data(&b)[k], (unsigned char)(out + k));
            buffer_consume(&b, n);
            out += (unsigned)n;
        }
        assert_int_equal(buffer_length(&b), in - out);
        assert_true(b.capacity < 4 * b.max);
    }
    assert_true(out > 1000000);
    buffer_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_a_queue),
        cmocka_unit_test(test_never_holds_more_than_its_maximum),
        cmocka_unit_test(test_empty_append_needs_no_room),
        cmocka_unit_test(test_reserve_and_commit),
        cmocka_unit_test(test_keeps_order_over_many_steps),
    };
    return cmocka_run_group_tests_name("buffer", tests, NULL, NULL);
}
