/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "base/io.h"
#include "host/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum { TIMEOUT_MS = 60000 };

static const char *const no_environment[] = {NULL};

static void run(const char *const *argv, int stdin_fd, struct spawn_result *result)
{
    const struct spawn spawn = {
        .argv = argv,
        .environment = no_environment,
        .stdin_fd = stdin_fd,
        .timeout_ms = TIMEOUT_MS,
        .capabilities = UINT64_MAX,
    };
    lrun_error err = {0};
    if (spawn_run(&spawn, result, &err) < 0)
        fail_msg("%s: %s", argv[0], err.message);
}

static void test_exit_codes_and_signals(void **state)
{
    static const char *const one[] = {"false", NULL};
    static const char *const killed[] = {"timeout", "-s", "KILL", "0.01", "sleep", "60", NULL};
    struct spawn_result result;
    (void)state;
    run(one, -1, &result);
    assert_int_equal(result.code, 1);
    /* timeout(1) with SIGKILL also kills itself. */
    run(killed, -1, &result);
    assert_int_equal(result.code, SPAWN_KILLED + SIGKILL);
}

static void test_streams_are_printable(void **state)
{
    static const char *const copy[] = {"tee", "/dev/stderr", NULL};
    struct spawn_result result;
    int ends[2];
    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(write(ends[1], "a\n\033b\n", 5), 5);
    close(ends[1]);
    run(copy, ends[0], &result);
    close(ends[0]);
    assert_string_equal(result.output, "a ?b");
    assert_string_equal(result.text, "a ?b");
}

/* newuidmap gets privileges from its file. A helper that reads hostile files must not get any. */
static void test_only_a_trusted_program_may_gain_privileges(void **state)
{
    static const char *const status[] = {"grep", "NoNewPrivs", "/proc/self/status", NULL};
    struct spawn_result result;
    char output[64];
    lrun_error err = {0};
    (void)state;
    run(status, -1, &result);
    assert_string_equal(result.output, "NoNewPrivs: 1");
    assert_int_equal(spawn_program(status, TIMEOUT_MS, output, sizeof(output), LRUN_INTERNAL, &err),
                     0);
    assert_string_equal(output, "NoNewPrivs:\t0\n");
}

static void test_other_open_files_are_not_inherited(void **state)
{
    static const char *const list[] = {"ls", "/proc/self/fd", NULL};
    struct spawn_result result;
    int open_for_all = fcntl(STDERR_FILENO, F_DUPFD, 100);
    (void)state;
    run(list, -1, &result);
    close(open_for_all);
    /* The fourth fd is the folder that ls reads. */
    assert_string_equal(result.output, "0 1 2 3");
}

static void check_fails(const char *const *argv, int64_t timeout_ms, const char *message)
{
    char output[4];
    lrun_error err = {0};
    assert_int_equal(spawn_program(argv, timeout_ms, output, sizeof(output), LRUN_IO_FAILED, &err),
                     -1);
    assert_int_equal(err.code, LRUN_IO_FAILED);
    assert_string_equal(err.operation, argv[0]);
    assert_string_equal(err.message, message);
}

static void test_failures_of_a_trusted_program(void **state)
{
    static const char *const missing[] = {"no-such-program-here", NULL};
    static const char *const failing[] = {"cat", "/nowhere\nto", NULL};
    static const char *const endless[] = {"sleep", "600", NULL};
    (void)state;
    check_fails(missing, TIMEOUT_MS, "the program 'no-such-program-here' is not installed");
    check_fails(failing, TIMEOUT_MS,
                "'cat' failed with code 1: cat: '/nowhere'$'\\n''to': No such file or directory");
    check_fails(endless, 1, "'sleep' did not end within 0 s");
}

static void test_the_output_of_a_trusted_program_fits(void **state)
{
    static const char *const echo[] = {"echo", "12345", NULL};
    char output[4];
    lrun_error err = {0};
    (void)state;
    assert_int_equal(spawn_program(echo, TIMEOUT_MS, output, sizeof(output), LRUN_INTERNAL, &err),
                     0);
    assert_string_equal(output, "123");
}

/* Like a supervisor that starts another supervisor: the program gets more fds from 3 on, and
 * spawn_start() does not wait for it. */
static void test_a_program_goes_on_by_itself(void **state)
{
    static const char *const argv[] = {"another name", "/proc/self/fd/3", NULL};
    struct process_status status;
    struct process child;
    lrun_error err = {0};
    int to[2], from[2];
    char text[8] = "";
    (void)state;
    assert_int_equal(pipe2(to, O_CLOEXEC) | pipe2(from, O_CLOEXEC), 0);
    const struct spawn spawn = {
        .program = "cat",
        .argv = argv,
        .environment = no_environment,
        .stdin_fd = -1,
        .output_fd = from[1],
        .more_fds = to,
        .more_count = 1,
        .capabilities = UINT64_MAX,
        .trusted = true,
    };
    assert_int_equal(spawn_start(&spawn, &child, &err), 0);
    close(to[0]);
    close(from[1]);
    assert_int_equal(write(to[1], "hello", 5), 5);
    close(to[1]);
    assert_int_equal(process_wait(&child, clock_ms() + TIMEOUT_MS, &status), 0);
    assert_int_equal(status.code, 0);
    assert_int_equal(read(from[0], text, sizeof(text)), 5);
    assert_string_equal(text, "hello");
    close(from[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exit_codes_and_signals),
        cmocka_unit_test(test_streams_are_printable),
        cmocka_unit_test(test_only_a_trusted_program_may_gain_privileges),
        cmocka_unit_test(test_other_open_files_are_not_inherited),
        cmocka_unit_test(test_a_program_goes_on_by_itself),
        cmocka_unit_test(test_failures_of_a_trusted_program),
        cmocka_unit_test(test_the_output_of_a_trusted_program_fits),
    };
    return cmocka_run_group_tests_name("spawn", tests, NULL, NULL);
}
