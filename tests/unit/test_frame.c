/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "base/io.h"
#include "wire/frame.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static void test_round_trip(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 1000);
    assert_true(frame_append(&b, FRAME_LOG_STDOUT, 0x0102, "hello", 5));
    assert_true(frame_append(&b, FRAME_STDIN_EOF, FRAME_COMMAND, NULL, 0));
    struct frame f;
    assert_int_equal(frame_peek(&b, 100, &f), FRAME_OK);
    assert_int_equal(f.type, FRAME_LOG_STDOUT);
    assert_int_equal(f.command, 0x0102);
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
    assert_true(frame_append(&whole, FRAME_RESULT, FRAME_SANDBOX, "abc", 3));
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
    assert_int_equal(peek_bytes("\x10\0\1\0\x0a\0\0\0", 8, 9), FRAME_BROKEN);
    assert_int_equal(peek_bytes("\x10\0\1\0\x0a\0\0\0", 8, 10), FRAME_PARTIAL);
    assert_int_equal(peek_bytes("\x10\0\1\0\xff\xff\xff\xff", 8, FRAME_CALLER_MAX), FRAME_BROKEN);
}

static void test_rubbish_is_broken_at_its_first_byte(void **state)
{
    (void)state;
    assert_int_equal(peek_bytes("\0", 1, 10), FRAME_BROKEN);
    assert_int_equal(peek_bytes("HT", 2, 10), FRAME_BROKEN);
    assert_int_equal(peek_bytes("\x10\1", 2, 10), FRAME_BROKEN);
    assert_int_equal(peek_bytes("\x10\0", 2, 10), FRAME_PARTIAL);
}

static void test_number_must_fit_the_type(void **state)
{
    (void)state;
    static const uint8_t of_commands[] = {
        FRAME_LOG_STDOUT, FRAME_LOG_STDERR,   FRAME_STARTED, FRAME_START,   FRAME_STDIN,
        FRAME_STDIN_EOF,  FRAME_SIGNAL,       FRAME_KILL,    FRAME_RUNNING, FRAME_STDOUT,
        FRAME_STDERR,     FRAME_STDIN_CREDIT, FRAME_EXIT,    FRAME_RESIZE,  FRAME_HANGUP,
        FRAME_LIST,       FRAME_STAT,         FRAME_READ,    FRAME_WRITE,   FRAME_REMOVE,
        FRAME_PUT_TREE,   FRAME_ABORT,        FRAME_ITEM,    FRAME_DONE,
    };
    static const uint8_t of_either[] = {
        FRAME_FAILED, FRAME_EXTRACT, FRAME_EXTRACT_BEGIN, FRAME_EXTRACT_END,
        FRAME_ENTRY,  FRAME_DATA,    FRAME_ENTRY_END,     FRAME_ENTRIES_END,
    };
    for (int type = 1; type < 256; type++) {
        bool either = memchr(of_either, type, sizeof(of_either)) != NULL;
        bool of_command = memchr(of_commands, type, sizeof(of_commands)) != NULL;
        char header[] = {(char)type, 0, 0, 0, 0, 0, 0, 0};
        for (int number = 0; number < 2; number++) {
            bool fits = either || (number != 0) == of_command;
            header[3] = (char)number;
            assert_int_equal(peek_bytes(header, 4, 10), fits ? FRAME_PARTIAL : FRAME_BROKEN);
            assert_int_equal(peek_bytes(header, 8, 10), fits ? FRAME_OK : FRAME_BROKEN);
        }
    }
}

static void test_header_is_little_endian(void **state)
{
    (void)state;
    char header[FRAME_HEADER_SIZE];
    frame_header(header, FRAME_STDIN, 0x0506, 0x01020304);
    assert_memory_equal(header, "\x22\0\x06\x05\x04\x03\x02\x01", 8);
}

static void test_full_buffer_refuses_a_frame_as_a_whole(void **state)
{
    (void)state;
    struct buffer b;
    buffer_init(&b, 12);
    assert_false(frame_append(&b, FRAME_DATA, FRAME_SANDBOX, "hello", 5));
    assert_int_equal(buffer_length(&b), 0);
    assert_true(frame_append(&b, FRAME_DATA, FRAME_SANDBOX, "hell", 4));
    buffer_free(&b);
}

/* What frame_read() makes of these bytes and the end of the file; 0, or errno. */
static int read_bytes(const char *bytes, size_t length, size_t max, struct frame *f,
                      struct buffer *b)
{
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(write(fds[1], bytes, length), length);
    close(fds[1]);
    buffer_init(b, 1000);
    int failed = frame_read(f, b, fds[0], max, clock_ms() + 10000) < 0 ? errno : 0;
    close(fds[0]);
    return failed;
}

static void test_reads_one_frame(void **state)
{
    static const char two[] = "\x10\0\2\1\x05\0\0\0hello\x10\0\1\0\0\0\0\0";
    (void)state;
    struct buffer b;
    struct frame f;
    assert_int_equal(read_bytes(two, sizeof(two) - 1, 5, &f, &b), 0);
    assert_int_equal(f.type, FRAME_LOG_STDOUT);
    assert_int_equal(f.command, 0x0102);
    assert_int_equal(f.length, 5);
    assert_memory_equal(f.payload, "hello", 5);
    /* The second frame is left for the next reader. */
    assert_int_equal(buffer_length(&b), FRAME_HEADER_SIZE + 5);
    buffer_free(&b);
    assert_int_equal(read_bytes(two + 13, 8, 5, &f, &b), 0);
    assert_int_equal(f.length, 0);
    buffer_free(&b);
}

static void test_reads_no_frame(void **state)
{
    static const struct {
        const char *bytes;
        size_t length, max;
        int failed;
    } cases[] = {
        {"", 0, 10, ENODATA},
        {"\x10\0\1\0\x05\0\0", 7, 10, ENODATA},
        {"\x10\0\1\0\x05\0\0\0hell", 12, 10, ENODATA},
        {"\x10\0\1\0\x05\0\0\0hello", 13, 4, EPROTO},
        {"\0\0\0\0\0\0\0\0", 8, 10, EPROTO},
        {"\x10\0\1\0\xff\xff\xff\x7f", 8, UINT32_MAX, ENOMEM},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buffer b;
        struct frame f;
        assert_int_equal(read_bytes(cases[i].bytes, cases[i].length, cases[i].max, &f, &b),
                         cases[i].failed);
        buffer_free(&b);
    }
}

static void test_reading_ends_at_the_deadline(void **state)
{
    (void)state;
    int fds[2];
    struct buffer b;
    struct frame f;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(write(fds[1], "\x10\0\1\0", 4), 4);
    buffer_init(&b, 100);
    assert_int_equal(frame_read(&f, &b, fds[0], 10, clock_ms() + 20), -1);
    assert_int_equal(errno, ETIMEDOUT);
    close(fds[0]);
    close(fds[1]);
    buffer_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_is_partial_until_its_last_byte),
        cmocka_unit_test(test_length_over_the_limit_is_broken),
        cmocka_unit_test(test_rubbish_is_broken_at_its_first_byte),
        cmocka_unit_test(test_number_must_fit_the_type),
        cmocka_unit_test(test_header_is_little_endian),
        cmocka_unit_test(test_full_buffer_refuses_a_frame_as_a_whole),
        cmocka_unit_test(test_reads_one_frame),
        cmocka_unit_test(test_reads_no_frame),
        cmocka_unit_test(test_reading_ends_at_the_deadline),
    };
    return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
