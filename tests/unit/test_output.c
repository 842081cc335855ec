/* SPDX-License-Identifier: MIT */
/* Output on its way to the caller: order and completeness if the caller reads late, the cap, and a
 * caller that is gone. */
#include "base/cleanup.h"
#include "base/io.h"
#include "run/output.h"
#include "wire/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int pair[2];

static int make_pair(void **state)
{
    (void)state;
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
}

static int close_pair(void **state)
{
    (void)state;
    close(pair[0]);
    close(pair[1]);
    return 0;
}

/* Reads the frames that are there or that a flush brings, and checks that they count up. */
static uint64_t read_counting_frames(struct output *o, struct buffer *in, uint64_t next)
{
    for (;;) {
        output_flush(o);
        char *to = buffer_reserve(in, 65536);
        assert_non_null(to);
        ssize_t n = recv(pair[1], to, 65536, MSG_DONTWAIT);
        if (n <= 0 && !output_pending(o))
            return next;
        if (n > 0)
            buffer_commit(in, (size_t)n);
        struct frame f;
        while (frame_peek(in, 65536, &f) == FRAME_OK) {
            uint64_t number;
            assert_int_equal(f.type, FRAME_LOG_STDOUT);
            assert_true(f.length >= sizeof(number));
            memcpy(&number, f.payload, sizeof(number));
            assert_int_equal(number, next);
            next++;
            frame_consume(in, &f);
        }
    }
}

static void a_late_reader_gets_everything_in_order(void **state)
{
    (void)state;
    struct output o;
    cleanup_buffer struct buffer in;
    char payload[3000] = {0};
    lrun_error err = {0};
    buffer_init(&in, 1 << 20);
    output_init(&o, pair[0], true, UINT64_MAX);
    /* Much more than a socket holds. */
    for (uint64_t i = 0; i < 3000; i++) {
        memcpy(payload, &i, sizeof(i));
        assert_int_equal(output_log(&o, FRAME_LOG_STDOUT, payload, sizeof(payload) - i % 7, &err),
                         0);
    }
    assert_true(output_pending(&o));
    assert_int_equal(read_counting_frames(&o, &in, 0), 3000);
    assert_false(output_pending(&o));
    output_free(&o);
}

static void the_log_is_cut_at_its_cap_and_says_so(void **state)
{
    (void)state;
    struct output o;
    char got[512] = {0};
    lrun_error err = {0};
    output_init(&o, pair[0], true, 5);
    assert_int_equal(output_log(&o, FRAME_LOG_STDOUT, "1234567", 7, &err), 0);
    assert_int_equal(output_log(&o, FRAME_LOG_STDOUT, "more", 4, &err), 0);
    ssize_t n = recv(pair[1], got, sizeof(got), MSG_DONTWAIT);
    assert_true(n > 5 + 2 * FRAME_HEADER_SIZE);
    assert_memory_equal(got + FRAME_HEADER_SIZE, "12345", 5);
    assert_int_equal(got[FRAME_HEADER_SIZE + 5], FRAME_LOG_STDERR);
    assert_null(memmem(got, (size_t)n, "more", 4));
    assert_true(o.truncated);
    output_free(&o);
}

/* Each byte is a piece of its own, and the streams take turns. */
static void write_single_bytes(struct output *o)
{
    lrun_error err = {0};
    for (int i = 0; i < 2000000 && !o->truncated; i++)
        assert_int_equal(output_log(o, i % 2 ? FRAME_LOG_STDERR : FRAME_LOG_STDOUT, "x", 1, &err),
                         0);
    assert_true(o->truncated);
}

enum { CAP = 256 << 10, NOTICE_MAX = 256 };

static void what_waits_for_the_caller_is_bounded_with_its_headers(void **state)
{
    (void)state;
    struct output o;
    struct stat st;
    output_init(&o, pair[0], true, CAP);
    write_single_bytes(&o);
    assert_int_equal(fstat(o.spool, &st), 0);
    assert_true(st.st_size > CAP); /* control: the pieces are in the file */
    assert_true(st.st_size <= CAP + OUTPUT_SLACK + NOTICE_MAX);
    output_free(&o);
}

/* There is no folder for the spool file. A frame that is sent at once needs no file. Some output
 * waits in memory. If there is more, the error says why. */
static void without_a_folder_output_waits_in_memory(void **state)
{
    (void)state;
    static char piece[1 << 16], got[1 << 20];
    struct output o;
    lrun_error err = {0};
    assert_int_equal(setenv("TMPDIR", "/nonexistent", 1), 0);
    output_init(&o, pair[0], true, UINT64_MAX / 2);
    assert_int_equal(output_log(&o, FRAME_LOG_STDOUT, piece, sizeof(piece), &err), 0);
    assert_int_equal(o.spool, -1);
    uint64_t sent = sizeof(piece), taken = 0;
    /* More output than the cap passes through while the caller reads. */
    for (int i = 0; i < 1600; i++) {
        assert_int_equal(output_log(&o, FRAME_LOG_STDOUT, piece, sizeof(piece), &err), 0);
        sent += sizeof(piece);
        for (ssize_t n; i >= 400 && sent - taken > 20 << 20 &&
                        (n = recv(pair[1], got, sizeof(got), MSG_DONTWAIT)) > 0;) {
            taken += (uint64_t)n;
            output_flush(&o);
        }
    }
    assert_true(o.spool >= 0 && o.tail > 64 << 20);
    /* No more output than the cap waits in memory. */
    int rc = 0;
    for (int i = 0; i < 1600 && rc == 0; i++)
        rc = output_log(&o, FRAME_LOG_STDOUT, piece, sizeof(piece), &err);
    assert_int_equal(rc, -1);
    assert_non_null(strstr(err.message, "'/nonexistent'"));
    assert_non_null(strstr(err.hint, "TMPDIR"));
    output_free(&o);
    unsetenv("TMPDIR");
}

static void a_log_is_bounded_with_its_headers(void **state)
{
    (void)state;
    struct output o;
    struct stat st;
    output_init(&o, pair[0], true, CAP);
    o.log = memfd_create("log", MFD_CLOEXEC);
    write_single_bytes(&o);
    assert_int_equal(fstat(o.log, &st), 0);
    assert_true(st.st_size > CAP);
    assert_true(st.st_size <= CAP + OUTPUT_SLACK + NOTICE_MAX);
    output_free(&o);
}

/* The headers of frames with ordinary output do not count towards the cap. */
static void a_log_of_large_pieces_is_cut_at_its_cap_to_the_byte(void **state)
{
    (void)state;
    static char piece[65536];
    struct output o;
    struct stat st;
    lrun_error err = {0};
    output_init(&o, pair[0], true, CAP + 1);
    o.log = memfd_create("log", MFD_CLOEXEC);
    for (int i = 0; i < 4; i++)
        assert_int_equal(output_log(&o, FRAME_LOG_STDOUT, piece, sizeof(piece), &err), 0);
    assert_int_equal(fstat(o.log, &st), 0);
    assert_int_equal(st.st_size, CAP + 4 * (FRAME_HEADER_SIZE + LOG_TIME_SIZE));
    assert_false(o.truncated);
    output_free(&o);
}

static void a_caller_that_is_gone_holds_nothing_up(void **state)
{
    (void)state;
    struct output o;
    lrun_error err = {0};
    output_init(&o, pair[0], true, UINT64_MAX);
    shutdown(pair[1], SHUT_RDWR);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(output_log(&o, FRAME_LOG_STDOUT, "x", 1, &err), 0);
    output_drain(&o, clock_ms() + 10000);
    assert_int_equal(o.socket, -1);
    output_free(&o);
}

static void output_that_nobody_wants_is_thrown_away(void **state)
{
    (void)state;
    struct output o;
    char got[16];
    lrun_error err = {0};
    output_init(&o, pair[0], false, UINT64_MAX);
    assert_int_equal(output_log(&o, FRAME_LOG_STDOUT, "x", 1, &err), 0);
    assert_int_equal(recv(pair[1], got, sizeof(got), MSG_DONTWAIT), -1);
    output_free(&o);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_pair, close_pair)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_late_reader_gets_everything_in_order),
        TEST(the_log_is_cut_at_its_cap_and_says_so),
        TEST(what_waits_for_the_caller_is_bounded_with_its_headers),
        TEST(without_a_folder_output_waits_in_memory),
        TEST(a_log_is_bounded_with_its_headers),
        TEST(a_log_of_large_pieces_is_cut_at_its_cap_to_the_byte),
        TEST(a_caller_that_is_gone_holds_nothing_up),
        TEST(output_that_nobody_wants_is_thrown_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
