/* SPDX-License-Identifier: MIT */
/* Reads a stdin that other processes read, too. With no kind of file does a read wait, and the open
 * file description stays unchanged. */
#include "base/cleanup.h"
#include "run/input.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* The fd to read, and the fd through which its bytes are written. */
struct ends {
    int reader, writer;
};

static struct ends make_pipe(void)
{
    int p[2];
    assert_int_equal(pipe2(p, O_CLOEXEC), 0);
    return (struct ends){p[0], p[1]};
}

static struct ends make_fifo(void)
{
    char folder[] = "/tmp/lr-test-input-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/fifo", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    /* Without a writer, only a non-blocking open of the reader succeeds. The tests need a
     * description that blocks, so the flag is cleared below. */
    struct ends e = {.reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
    e.writer = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(e.reader >= 0 && e.writer >= 0);
    assert_int_equal(fcntl(e.reader, F_SETFL, 0), 0);
    unlink(path);
    rmdir(folder);
    return e;
}

static struct ends make_socket(int type)
{
    int p[2];
    assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, p), 0);
    return (struct ends){p[0], p[1]};
}

static struct ends make_stream_socket(void)
{
    return make_socket(SOCK_STREAM);
}

static struct ends make_packet_socket(void)
{
    return make_socket(SOCK_SEQPACKET);
}

static struct ends make_terminal(void)
{
    struct ends e;
    assert_int_equal(openpty(&e.writer, &e.reader, NULL, NULL, NULL), 0);
    return e;
}

static struct ends make_terminal_master(void)
{
    struct ends e;
    assert_int_equal(openpty(&e.reader, &e.writer, NULL, NULL, NULL), 0);
    return e;
}

static const struct kind {
    const char *name;
    struct ends (*make)(void);
} kinds[] = {
    {"pipe", make_pipe},
    {"fifo", make_fifo},
    {"stream socket", make_stream_socket},
    {"packet socket", make_packet_socket},
    {"terminal", make_terminal},
    {"terminal's master", make_terminal_master},
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static void on_alarm(int number)
{
    (void)number;
}

/* Returns whether a plain read() waits: if it does, an alarm interrupts it. */
static bool waits_in_read(int fd)
{
    char byte;
    const struct sigaction interrupt = {.sa_handler = on_alarm};
    const struct itimerval soon = {{0, 20000}, {0, 20000}}, off = {0};
    sigaction(SIGALRM, &interrupt, NULL);
    setitimer(ITIMER_REAL, &soon, NULL);
    ssize_t n = read(fd, &byte, 1);
    int failed = errno;
    setitimer(ITIMER_REAL, &off, NULL);
    return n < 0 && failed == EINTR;
}

static void nothing_is_there(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct ends e = kinds[i].make();
        print_message("%s\n", kinds[i].name);
        char bytes[64];
        int flags = fcntl(e.reader, F_GETFL);
        assert_int_equal(flags & O_NONBLOCK, 0);
        assert_true(input_is_pollable(e.reader));
        assert_true(waits_in_read(e.reader)); /* control: a plain read() waits */
        for (int n = 0; n < 3; n++) {
            assert_int_equal(input_read(e.reader, bytes, sizeof(bytes)), -1);
            assert_true(errno == EAGAIN || errno == EINTR);
        }
        assert_int_equal(fcntl(e.reader, F_GETFL), flags);
        close(e.reader);
        close(e.writer);
    }
}

/* Waits for bytes. A thread of the kernel carries those of a terminal, so they come later. */
static void await(int fd)
{
    struct pollfd p = {fd, POLLIN, 0};
    assert_int_equal(poll(&p, 1, 20000), 1);
}

static void bytes_come_through(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct ends e = kinds[i].make();
        print_message("%s\n", kinds[i].name);
        char bytes[64] = "";
        assert_int_equal(write(e.writer, "one\n", 4), 4);
        await(e.reader);
        ssize_t n = input_read(e.reader, bytes, sizeof(bytes));
        assert_true(n >= 4); /* a terminal may turn "\n" into "\r\n" */
        assert_memory_equal(bytes, "one", 3);
        assert_int_equal(input_read(e.reader, bytes, sizeof(bytes)), -1);
        assert_true(errno == EAGAIN || errno == EINTR);
        close(e.writer);
        await(e.reader);
        n = input_read(e.reader, bytes, sizeof(bytes));
        assert_true(n == 0 ||
                    (n < 0 && errno == EIO)); /* from a terminal whose other side is closed */
        close(e.reader);
    }
}

/* One byte for two readers: the later reader must not wait for the next byte. */
static void another_reader_takes_the_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct ends e = kinds[i].make();
        print_message("%s\n", kinds[i].name);
        char bytes[64];
        assert_int_equal(write(e.writer, "\n", 1), 1);
        pid_t other = fork();
        if (other == 0) {
            char taken[16];
            _exit(read(e.reader, taken, sizeof(taken)) > 0 ? 0 : 1);
        }
        int status;
        assert_int_equal(waitpid(other, &status, 0), other);
        assert_int_equal(status, 0);
        assert_int_equal(input_read(e.reader, bytes, sizeof(bytes)), -1);
        assert_true(errno == EAGAIN || errno == EINTR);
        close(e.reader);
        close(e.writer);
    }
}

static void files_are_not_waited_for(void **state)
{
    (void)state;
    cleanup_close int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    cleanup_close int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    char byte;
    assert_false(input_is_pollable(file));
    assert_true(input_is_pollable(null));
    assert_int_equal(input_read(null, &byte, 1), 0);
}

static void what_cannot_be_read_is_an_error(void **state)
{
    (void)state;
    char byte;
    cleanup_close int folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cleanup_close int write_only = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_int_equal(input_read(folder, &byte, 1), -1);
    assert_int_equal(errno, EISDIR);
    assert_int_equal(input_read(write_only, &byte, 1), -1);
    assert_int_equal(errno, EBADF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_there),
        cmocka_unit_test(bytes_come_through),
        cmocka_unit_test(another_reader_takes_the_bytes),
        cmocka_unit_test(files_are_not_waited_for),
        cmocka_unit_test(what_cannot_be_read_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
