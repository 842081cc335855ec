/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "wire/frame.h"

static void test_round_trip(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 1000);
    assert_true(frame_append(&b, FRAME_LOG_STDOUT, "hello", 5));
    assert_true(frame_append(&b, FRAME_STDIN_EOF, NULL, 0));
    struct frame f;
    assert_int_equal(frame_peek(&b, 100, &f), FRAME_OK);
    assert_int_equal(f.type, FRAME_LOG_STDOUT);
    assert_int_equal(f.length, 5);
    assert_memory_equal(f.payload, "hello", 5);
    frame_consume(&b, &f);
    assert_int_equal(frame_peek(&b, 100, &f), FRAME_OK);
    assert_int_equal(f.type, FRAME_STDIN_EOF);
    assert_int_equal(f.length, 0);
    frame_consume(&b, &f);
    assert_int_equal(frame_peek(&b, 100, &f), FRAME_PARTIAL);
    buffer_free(&b);
}

static void test_is_partial_until_its_last_byte(void **state)
{
    (void)state;
    struct buffer whole, b;
    struct frame f;
    buffer_init(&whole, 100);
    buffer_init(&b, 100);
    assert_true(frame_append(&whole, FRAME_RESULT, "abc", 3));
    for (size_t i = 0; i < buffer_length(&whole); i++) {
        assert_int_equal(frame_peek(&b, 100, &f), FRAME_PARTIAL);
        assert_true(buffer_append(&b, buffer_data(&whole) + i, 1));
    }
    assert_int_equal(frame_peek(&b, 100, &f), FRAME_OK);
    buffer_free(&whole);
    buffer_free(&b);
}

static enum frame_status peek_bytes(const char *bytes, size_t length, size_t max)
{
    struct buffer b;
    struct frame f;
    buffer_init(&b, 100);
    assert_true(buffer_append(&b, bytes, length));
    enum frame_status status = frame_peek(&b, max, &f);
    buffer_free(&b);
    return status;
}

static void test_length_over_the_limit_is_broken(void **state)
{
    (void)state;
    assert_int_equal(peek_bytes("\x10\0\0\0\x0a\0\0\0", 8, 9), FRAME_BROKEN);
    assert_int_equal(peek_bytes("\x10\0\0\0\x0a\0\0\0", 8, 10), FRAME_PARTIAL);
    assert_int_equal(peek_bytes("\x10\0\0\0\xff\xff\xff\xff", 8, FRAME_CALLER_MAX), FRAME_BROKEN);
}

static void test_rubbish_is_broken_at_its_first_byte(void **state)
{
    (void)state;
    assert_int_equal(peek_bytes("\0", 1, 10), FRAME_BROKEN);
    assert_int_equal(peek_bytes("HT", 2, 10), FRAME_BROKEN);
    assert_int_equal(peek_bytes("\x10\0\0\x01", 4, 10), FRAME_BROKEN);
    assert_int_equal(peek_bytes("\x10\0", 2, 10), FRAME_PARTIAL);
}

static void test_header_is_little_endian(void **state)
{
    (void)state;
    char header[FRAME_HEADER_SIZE];
    frame_header(header, FRAME_DATA, 0x01020304);
    assert_memory_equal(header, "\x61\0\0\0\x04\x03\x02\x01", 8);
}

static void test_full_buffer_refuses_a_frame_as_a_whole(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 12);
    assert_false(frame_append(&b, FRAME_DATA, "hello", 5));
    assert_int_equal(buffer_length(&b), 0);
    assert_true(frame_append(&b, FRAME_DATA, "hell", 4));
    buffer_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_is_partial_until_its_last_byte),
        cmocka_unit_test(test_length_over_the_limit_is_broken),
        cmocka_unit_test(test_rubbish_is_broken_at_its_first_byte),
        cmocka_unit_test(test_header_is_little_endian),
        cmocka_unit_test(test_full_buffer_refuses_a_frame_as_a_whole),
    };
    return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
