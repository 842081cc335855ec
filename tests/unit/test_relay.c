/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "base/io.h"
#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static const volatile int going = 0, stopping = 1;

static void test_writes_all_to_a_file(void **state)
{
    (void)state;
    struct relay r = {.fd = memfd_create("relay", MFD_CLOEXEC)};
    size_t length = 1 << 20;
    char *data = calloc(1, length);
    relay_write(&r, data, length, &going);
    assert_int_equal(r.error, 0);
    assert_true(r.in_line);
    relay_write(&r, "\n", 1, &going);
    assert_false(r.in_line);
    assert_int_equal(lseek(r.fd, 0, SEEK_END), length + 1);
    free(data);
    close(r.fd);
}

static void *read_to_end(void *fd)
{
    char data[777];
    size_t total = 0;
    ssize_t n;
    while ((n = read(*(int *)fd, data, sizeof(data))) > 0)
        total += (size_t)n;
    return (void *)total;
}

static void test_writes_all_to_a_slow_reader(void **state)
{
    (void)state;
    int fds[2];
    pthread_t thread;
    void *total;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(pthread_create(&thread, NULL, read_to_end, &fds[0]), 0);
    struct relay r = {.fd = fds[1]};
    size_t length = 3 << 20;
    char *data = calloc(1, length);
    relay_write(&r, data, length, &going);
    free(data);
    close(fds[1]);
    pthread_join(thread, &total);
    assert_int_equal((size_t)total, length);
    assert_int_equal(r.error, 0);
    close(fds[0]);
}

static void test_reader_that_has_gone(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    close(fds[0]);
    void (*before)(int) = signal(SIGPIPE, SIG_IGN);
    struct relay r = {.fd = fds[1]};
    relay_write(&r, "x", 1, &going);
    assert_int_equal(r.error, EPIPE);
    signal(SIGPIPE, before);
    close(fds[1]);
    relay_write(&r, "x", 1, &going); /* dropped: the relay does not use the fd any more */
    assert_int_equal(r.error, EPIPE);
}

static void test_full_disk(void **state)
{
    (void)state;
    struct relay r = {.fd = open("/dev/full", O_WRONLY | O_CLOEXEC)};
    relay_write(&r, "x", 1, &going);
    assert_int_equal(r.error, ENOSPC);
    close(r.fd);
}

static void test_reader_that_does_not_read_is_given_up_when_stopping(void **state)
{
    (void)state;
    int fds[2];
    static char data[1 << 20];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    struct relay r = {.fd = fds[1]};
    int64_t begin = clock_ms();
    relay_write(&r, data, sizeof(data), &stopping);
    assert_int_equal(r.error, EPIPE);
    assert_true(clock_ms() - begin >= 1900);
    assert_true(clock_ms() - begin < 10000);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes_all_to_a_file),
        cmocka_unit_test(test_writes_all_to_a_slow_reader),
        cmocka_unit_test(test_reader_that_has_gone),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_reader_that_does_not_read_is_given_up_when_stopping),
    };
    return cmocka_run_group_tests_name("relay", tests, NULL, NULL);
}
