/* SPDX-License-Identifier: MIT */
/* The library with fake_supervisor.c, through the public API only. */
#include "fake_runner.h"

#include "base/io.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void count_bytes(void *user, lrun_stream stream, const char *data, size_t length)
{
    struct log *log = user;
    (void)stream;
    (void)data;
    log->bytes += length;
}

static void test_exit_code(void **state)
{
    (void)state;
    REQUEST(request, "exit 0");
    lrun_result *r = finished(&request, &callbacks, NULL);
    assert_true(r->success);
    assert_int_equal(strncmp(r->id, "light-runner-", 13), 0);
    assert_non_null(strstr(lrun_result_json(r), "\"exitCode\":0"));
    lrun_result_free(r);
    request.entrypoint = "exit 42";
    check_code(&request, &callbacks, 42);
}

static void test_lines(void **state)
{
    (void)state;
    struct log log = {0};
    REQUEST(request, "lines");
    callbacks.on_line = keep_line;
    callbacks.user = &log;
    check_code(&request, &callbacks, 0);
    assert_string_equal(log.out, "one|two|last|");
    assert_string_equal(log.err, "err\r|");
}

static void test_supervisor_is_told_whether_anybody_listens(void **state)
{
    (void)state;
    struct log log = {0};
    REQUEST(request, "logs?");
    check_code(&request, &callbacks, 2);
    callbacks.on_output = count_bytes;
    callbacks.user = &log;
    check_code(&request, &callbacks, 1);
}

static void keep_progress(void *user, const lrun_progress *p)
{
    struct log *log = user;
    log->lines++;
    snprintf(log->out, sizeof(log->out), "%s %d/%d", p->what, (int)p->done, (int)p->total);
}

static void test_progress(void **state)
{
    (void)state;
    struct log log = {0};
    REQUEST(request, "progress");
    check_code(&request, &callbacks, 0);
    callbacks.on_progress = keep_progress;
    callbacks.user = &log;
    check_code(&request, &callbacks, 1);
    assert_string_equal(log.out, "pull 5/10");
    assert_int_equal(log.lines, 1);
}

static void test_input_json_goes_in_letter_by_letter(void **state)
{
    (void)state;
    struct log log = {0};
    REQUEST(request, "input");
    request.input_json = "{ \"x\": 0.10 }";
    callbacks.on_line = keep_line;
    callbacks.user = &log;
    check_code(&request, &callbacks, 0);
    assert_string_equal(log.out, "{ \"x\": 0.10 }|");
}

static void test_no_input_is_an_empty_one(void **state)
{
    (void)state;
    struct log log = {0};
    REQUEST(request, "input");
    callbacks.on_line = keep_line;
    callbacks.user = &log;
    check_code(&request, &callbacks, 0);
    assert_string_equal(log.out, "");
}

static void test_input_fd_may_be_closed_at_once(void **state)
{
    (void)state;
    struct log log = {0};
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    REQUEST(request, "input");
    callbacks.input_fd = fds[0];
    callbacks.on_line = keep_line;
    callbacks.user = &log;
    lrun_execution *x = started(&request, &callbacks);
    close(fds[0]);
    assert_int_equal(write(fds[1], "hello", 5), 5);
    close(fds[1]);
    lrun_result *r = NULL;
    assert_int_equal(lrun_execution_wait(x, &r, NULL), 0);
    assert_string_equal(log.out, "hello|");
    lrun_result_free(r);
    lrun_execution_free(x);
}

static void test_input_larger_than_a_frame(void **state)
{
    (void)state;
    struct log log = {0};
    size_t length = 16 * 1024 * 1024;
    char *text = malloc(length + 1);
    memset(text, 'x', length);
    text[0] = text[length - 1] = '"';
    text[length] = '\0';
    REQUEST(request, "input");
    request.input_json = text;
    callbacks.on_output = count_bytes;
    callbacks.user = &log;
    check_code(&request, &callbacks, 0);
    assert_int_equal(log.bytes, length);
    free(text);
}

static void test_supervisor_has_its_six_fds_and_no_other(void **state)
{
    (void)state;
    struct log log = {0};
    REQUEST(request, "fds");
    callbacks.on_line = keep_line;
    callbacks.user = &log;
    int leaky = fcntl(STDERR_FILENO, F_DUPFD, 50); /* callers have fds without O_CLOEXEC */
    assert_true(leaky >= 50);
    check_code(&request, &callbacks, 0);
    close(leaky);
    assert_string_equal(log.out, "0 1 2 3 4 5 |");
}

/* Runs in a child of the test. The bits of `taken` say which of the fds 0 to 7 are in use. */
static void run_with_fds_taken(unsigned taken)
{
    int pipe_fds[2];
    int null = fcntl(open("/dev/null", O_RDWR | O_CLOEXEC), F_DUPFD_CLOEXEC, 100);
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        _exit(2);
    int cancel = fcntl(pipe_fds[0], F_DUPFD_CLOEXEC, 100);
    int hold = fcntl(pipe_fds[1], F_DUPFD_CLOEXEC, 100);
    for (int fd = 0; fd < 64; fd++)
        close(fd);
    for (int fd = 0; fd < 8; fd++)
        if (taken & 1u << fd)
            dup3(null, fd, O_CLOEXEC);
    /* Use a low number as a source, too. */
    int low = fcntl(cancel, F_DUPFD_CLOEXEC, 1);

    struct log log = {0};
    REQUEST(request, "kinds");
    request.input_json = "1";
    callbacks.cancel_fd = low;
    callbacks.on_line = keep_line;
    callbacks.user = &log;
    lrun_result *r = NULL;
    lrun_execution *x = NULL;
    if (low < 0 || hold < 0 || lrun_run(runner, &request, &callbacks, &x, NULL) < 0 ||
        lrun_execution_wait(x, &r, NULL) < 0)
        _exit(3);
    _exit(strcmp(log.out,
                 "/memfd:light-runner-input /dev/null socket:[ pipe:[ anon_inode:[eventfd] |")
              ? 4
              : 0);
}

/* Whatever numbers the fds have, the dup2() calls must not overwrite an fd that is still needed. */
static void test_low_fd_numbers_do_not_collide(void **state)
{
    (void)state;
    for (unsigned taken = 0; taken < 256; taken++) {
        pid_t pid = fork();
        if (pid == 0)
            run_with_fds_taken(taken);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (status != 0)
            fail_msg("with the fds %#x taken: status %#x", taken, status);
    }
}

static void test_works_without_the_standard_fds(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        struct log log = {0};
        for (int fd = 0; fd < 3; fd++)
            close(fd);
        REQUEST(request, "fds");
        callbacks.on_line = keep_line;
        callbacks.user = &log;
        lrun_result *r = NULL;
        lrun_execution *x = NULL;
        if (lrun_run(runner, &request, &callbacks, &x, NULL) < 0 ||
            lrun_execution_wait(x, &r, NULL) < 0)
            _exit(3);
        _exit(strcmp(log.out, "0 1 2 3 4 5 |") == 0 ? 0 : 4);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void test_supervisor_has_its_own_session_and_clean_signals(void **state)
{
    (void)state;
    struct log log = {0};
    sigset_t usr1, old;
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    sigprocmask(SIG_BLOCK, &usr1, &old);
    void (*before)(int) = signal(SIGPIPE, SIG_IGN);
    REQUEST(request, "describe");
    callbacks.on_line = keep_line;
    callbacks.user = &log;
    check_code(&request, &callbacks, 0);
    sigprocmask(SIG_SETMASK, &old, NULL);
    signal(SIGPIPE, before);
    assert_string_equal(log.out, "leader=1 blocked=0 sigpipe=default|");
}

static void test_cancel_by_the_handle(void **state)
{
    (void)state;
    struct log log = {0};
    REQUEST(request, "wait");
    callbacks.on_line = keep_line;
    callbacks.user = &log;
    lrun_execution *x = started(&request, &callbacks);
    lrun_result *r = NULL;
    assert_int_equal(lrun_execution_cancel(x), 0);
    assert_int_equal(lrun_execution_cancel(x), 0);
    assert_int_equal(lrun_execution_wait(x, &r, NULL), 0);
    assert_true(r->cancelled);
    assert_false(r->success);
    assert_string_equal(log.err, "by the handle|");
    lrun_result_free(r);
    lrun_execution_free(x);
}

static void test_cancel_by_the_callers_fd(void **state)
{
    (void)state;
    struct log log = {0};
    int fd = eventfd(0, EFD_CLOEXEC);
    REQUEST(request, "wait");
    callbacks.cancel_fd = fd;
    callbacks.on_line = keep_line;
    callbacks.user = &log;
    lrun_execution *x = started(&request, &callbacks);
    lrun_result *r = NULL;
    assert_int_equal(eventfd_write(fd, 1), 0);
    assert_int_equal(lrun_execution_wait(x, &r, NULL), 0);
    assert_true(r->cancelled);
    assert_string_equal(log.err, "by the caller's fd|");
    lrun_result_free(r);
    lrun_execution_free(x);
    close(fd);
}

static void test_cancelled_before_it_began_starts_nothing(void **state)
{
    (void)state;
    lrun_runner *nowhere = NULL;
    lrun_runner_options options = LRUN_RUNNER_OPTIONS_INIT;
    options.supervisor = "/nonexistent/supervisor";
    assert_int_equal(lrun_runner_new(&nowhere, &options, NULL), 0);
    int fd = eventfd(1, EFD_CLOEXEC);
    REQUEST(request, "exit 0");
    callbacks.cancel_fd = fd;
    lrun_execution *x = NULL;
    lrun_result *r = NULL;
    assert_int_equal(lrun_run(nowhere, &request, &callbacks, &x, NULL), 0);
    struct pollfd p = {.fd = lrun_execution_fd(x), .events = POLLIN};
    assert_int_equal(poll(&p, 1, 0), 1);
    bool done = false;
    assert_int_equal(lrun_execution_dispatch(x, &done, NULL), 0);
    assert_true(done);
    assert_int_equal(poll(&p, 1, 0), 0);
    assert_int_equal(lrun_execution_wait(x, &r, NULL), 0);
    assert_true(r->cancelled);
    assert_false(r->success);
    assert_int_equal(r->exit_code, 137);
    assert_string_equal(r->id, lrun_execution_id(x));
    lrun_result_free(r);
    lrun_execution_free(x);
    lrun_runner_free(nowhere);
    close(fd);
}

/* No process would know the id of such a run, because there is no state before the command runs. */
static void test_a_detached_run_that_ends_before_its_command(void **state)
{
    (void)state;
    int fd = eventfd(1, EFD_CLOEXEC);
    REQUEST(request, "lines"); /* a result, and no STARTED */
    request.detached = true;
    for (int i = 0; i < 2; i++) {
        lrun_execution *x = (lrun_execution *)&request;
        lrun_error e = LRUN_ERROR_INIT;
        assert_int_equal(lrun_run(runner, &request, &callbacks, &x, &e), -1);
        assert_int_equal(e.code, LRUN_START_FAILED);
        assert_non_null(strstr(e.message, "cancelled"));
        assert_null(x);
        callbacks.cancel_fd = fd; /* is readable: cancelled before anything is started */
    }
    close(fd);
}

static void test_dispatch_from_an_event_loop(void **state)
{
    (void)state;
    struct log log = {0};
    REQUEST(request, "flood");
    callbacks.on_output = count_bytes;
    callbacks.on_line = keep_line;
    callbacks.user = &log;
    lrun_execution *x = started(&request, &callbacks);
    bool done = false;
    for (int i = 0; i < 100000 && !done; i++) {
        struct pollfd p = {.fd = lrun_execution_fd(x), .events = POLLIN};
        assert_int_equal(poll(&p, 1, 10000), 1);
        assert_int_equal(lrun_execution_dispatch(x, &done, NULL), 0);
    }
    assert_true(done);
    /* The socket is at its end, and so it is readable for ever. But no work is left, so the fd of
     * the execution is not readable. */
    struct pollfd over = {.fd = lrun_execution_fd(x), .events = POLLIN};
    assert_int_equal(poll(&over, 1, 0), 0);
    assert_int_equal(log.bytes, 256 * 128 * 1024);
    lrun_result *r = NULL;
    assert_int_equal(lrun_execution_wait(x, &r, NULL), 0);
    lrun_error e = {0};
    lrun_result *again = NULL;
    assert_int_equal(lrun_execution_wait(x, &again, &e), -1);
    assert_int_equal(e.code, LRUN_INVALID_ARGUMENT);
    lrun_result_free(r);
    lrun_execution_free(x);
}

static void check_error(const char *what, lrun_code code, const char *part)
{
    lrun_error e = {0};
    REQUEST(request, what);
    assert_null(finished(&request, &callbacks, &e));
    assert_int_equal(e.code, code);
    assert_int_equal(strncmp(e.id, "light-runner-", 13), 0);
    if (!strstr(e.message, part))
        fail_msg("'%s' does not say '%s'", e.message, part);
}

static void test_errors_of_the_supervisor(void **state)
{
    (void)state;
    check_error("error", LRUN_START_FAILED, "no such image");
}

static void test_supervisor_that_is_lost(void **state)
{
    (void)state;
    check_error("vanish", LRUN_SUPERVISOR_LOST, "exited with code 3");
    check_error("crash", LRUN_SUPERVISOR_LOST, "signal 9 ended it");
    check_error("rubbish", LRUN_SUPERVISOR_LOST, "protocol");
    check_error("long frame", LRUN_SUPERVISOR_LOST, "protocol");
    check_error("unknown command", LRUN_SUPERVISOR_LOST, "unknown command 2");
    check_error("unknown frame", LRUN_SUPERVISOR_LOST, "unknown type 99");
    check_error("bad result", LRUN_SUPERVISOR_LOST, "usable field");
}

static void test_wait_returns_only_after_the_supervisor_has_ended(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof(path), "/tmp/light-runner-test-%d", (int)getpid());
    REQUEST(request, "linger");
    request.workdir = path; /* the file that the fake supervisor creates as its last act */
    lrun_execution *x = started(&request, &callbacks);
    lrun_result *r = NULL;
    assert_int_equal(lrun_execution_wait(x, &r, NULL), 0);
    assert_int_equal(unlink(path), 0);
    lrun_result_free(r);
    lrun_execution_free(x);
}

static void test_free_ends_a_run_that_is_going(void **state)
{
    (void)state;
    REQUEST(request, "wait");
    lrun_execution *x = started(&request, &callbacks);
    int64_t begin = clock_ms();
    lrun_execution_free(x);
    assert_true(clock_ms() - begin < 5000);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
    lrun_execution_free(NULL);
}

static void test_callers_that_reap_every_child(void **state)
{
    (void)state;
    void (*before)(int) = signal(SIGCHLD, SIG_IGN);
    REQUEST(request, "exit 7");
    check_code(&request, &callbacks, 7);
    check_error("vanish", LRUN_SUPERVISOR_LOST, "without a result");
    signal(SIGCHLD, before);
}

static bool others_reap;

/* Replaces libc's pidfd_open(): the child has ended, and another thread has waited for it, before
 * the library asks for a pidfd. */
int pidfd_open(pid_t pid, unsigned int flags)
{
    if (others_reap) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    return (int)syscall(SYS_pidfd_open, pid, flags);
}

static void test_no_child_is_known_by_its_number_alone(void **state)
{
    (void)state;
    REQUEST(request, "exit 7");
    others_reap = true;
    check_code(&request, &callbacks, 7);
    others_reap = false;
}

static void test_supervisor_that_is_not_there(void **state)
{
    (void)state;
    lrun_runner *nowhere = NULL;
    lrun_runner_options options = LRUN_RUNNER_OPTIONS_INIT;
    options.supervisor = "/nonexistent/supervisor";
    assert_int_equal(lrun_runner_new(&nowhere, &options, NULL), 0);
    REQUEST(request, "exit 0");
    lrun_execution *x = NULL;
    lrun_error e = {0};
    assert_int_equal(lrun_run(nowhere, &request, &callbacks, &x, &e), -1);
    assert_int_equal(e.code, LRUN_SUPERVISOR_LOST);
    assert_non_null(strstr(e.message, "/nonexistent/supervisor"));
    assert_null(x);
    lrun_runner_free(nowhere);
}

static void test_stdin_can_be_the_input(void **state)
{
    (void)state;
    int fds[2], kept = fcntl(0, F_DUPFD_CLOEXEC, 3);
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "zero", 4), 4);
    close(fds[1]);
    assert_int_equal(dup2(fds[0], 0), 0);
    close(fds[0]);
    struct log log = {0};
    REQUEST(request, "input");
    callbacks.on_line = keep_line;
    callbacks.user = &log;
    callbacks.input_fd = 0;
    check_code(&request, &callbacks, 0);
    assert_string_equal(log.out, "zero|");
    if (kept < 0)
        close(0);
    else
        assert_int_equal(dup2(kept, 0), 0);
    close(kept);
}

static void test_run_json(void **state)
{
    (void)state;
    static const char json[] = "{\"image\":\"i\",\"command\":\"input\",\"input\":[0.1]}";
    struct log log = {0};
    lrun_callbacks base = LRUN_CALLBACKS_INIT;
    base.on_line = keep_line;
    base.user = &log;
    lrun_execution *x = NULL;
    lrun_result *r = NULL;
    lrun_error e = {0};
    if (lrun_run_json(runner, json, strlen(json), &base, &x, &e) < 0)
        fail_msg("%s", e.message);
    assert_int_equal(lrun_execution_wait(x, &r, NULL), 0);
    assert_string_equal(log.out, "[0.1]|");
    lrun_result_free(r);
    lrun_execution_free(x);

    base.input_fd = 1;
    assert_int_equal(lrun_run_json(runner, json, strlen(json), &base, &x, &e), -1);
    assert_int_equal(e.code, LRUN_INVALID_ARGUMENT);
    assert_int_equal(lrun_run_json(runner, "{", 1, NULL, &x, &e), -1);
    assert_int_equal(e.code, LRUN_INVALID_ARGUMENT);
    assert_int_equal(lrun_run_json(runner, "[]", 2, NULL, &x, &e), -1);
    assert_int_equal(e.code, LRUN_INVALID_ARGUMENT);
}

static void test_options_of_the_request_go_over_those_of_the_runner(void **state)
{
    (void)state;
    static const char *const requests[][2] = {
        {"{\"image\":\"i\",\"entrypoint\":\"options\"}",
         "memory=67108864 cpus=2 runtime=runc gpus=all|"},
        {"{\"image\":\"i\",\"entrypoint\":\"options\",\"options\":{\"cpus\":0.5,\"runtime\":"
         "\"kata\"}}",
         "memory=67108864 cpus=0.5 runtime=kata gpus=all|"},
    };
    lrun_runner *other = NULL;
    lrun_runner_options options = LRUN_RUNNER_OPTIONS_INIT;
    options.supervisor = getenv("FAKE_SUPERVISOR");
    options.memory = "64m";
    options.cpus = 2;
    options.gpus = "all";
    assert_int_equal(lrun_runner_new(&other, &options, NULL), 0);
    for (size_t i = 0; i < 2; i++) {
        struct log log = {0};
        lrun_callbacks base = LRUN_CALLBACKS_INIT;
        base.on_line = keep_line;
        base.user = &log;
        lrun_execution *x = NULL;
        lrun_result *r = NULL;
        assert_int_equal(
            lrun_run_json(other, requests[i][0], strlen(requests[i][0]), &base, &x, NULL), 0);
        assert_int_equal(lrun_execution_wait(x, &r, NULL), 0);
        assert_string_equal(log.out, requests[i][1]);
        lrun_result_free(r);
        lrun_execution_free(x);
    }
    lrun_runner_free(other);
}

/* The run continues after a time limit of a wait, and its result is returned once. */
static void test_waiting_has_a_limit(void **state)
{
    (void)state;
    REQUEST(request, "wait");
    lrun_execution *x = started(&request, &callbacks);
    lrun_result *r = NULL;
    lrun_error e = {0};
    for (int i = 0; i < 3; i++) {
        r = (lrun_result *)&e;
        assert_int_equal(lrun_execution_wait_for(x, i, &r, &e), 0);
        assert_null(r);
    }
    assert_int_equal(lrun_execution_cancel(x), 0);
    assert_int_equal(lrun_execution_wait_for(x, INT64_MAX, &r, &e), 0);
    assert_non_null(r);
    assert_true(r->cancelled);
    lrun_result_free(r);
    assert_int_equal(lrun_execution_wait_for(x, 0, &r, &e), -1);
    assert_int_equal(e.code, LRUN_INVALID_ARGUMENT);
    lrun_execution_free(x);
}

static size_t open_fds(void)
{
    size_t count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void test_no_fd_is_leaked(void **state)
{
    (void)state;
    int cancel = eventfd(0, EFD_CLOEXEC);
    size_t before = open_fds();
    static const char *const whats[] = {"exit 0", "error", "vanish", "rubbish"};
    for (size_t i = 0; i < 4; i++) {
        REQUEST(request, whats[i]);
        request.input_json = "1";
        callbacks.cancel_fd = cancel;
        lrun_result_free(finished(&request, &callbacks, NULL));
    }
    assert_int_equal(open_fds(), before);
    close(cancel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exit_code),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_supervisor_is_told_whether_anybody_listens),
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_input_json_goes_in_letter_by_letter),
        cmocka_unit_test(test_no_input_is_an_empty_one),
        cmocka_unit_test(test_input_fd_may_be_closed_at_once),
        cmocka_unit_test(test_input_larger_than_a_frame),
        cmocka_unit_test(test_supervisor_has_its_six_fds_and_no_other),
        cmocka_unit_test(test_low_fd_numbers_do_not_collide),
        cmocka_unit_test(test_works_without_the_standard_fds),
        cmocka_unit_test(test_supervisor_has_its_own_session_and_clean_signals),
        cmocka_unit_test(test_cancel_by_the_handle),
        cmocka_unit_test(test_cancel_by_the_callers_fd),
        cmocka_unit_test(test_cancelled_before_it_began_starts_nothing),
        cmocka_unit_test(test_a_detached_run_that_ends_before_its_command),
        cmocka_unit_test(test_dispatch_from_an_event_loop),
        cmocka_unit_test(test_errors_of_the_supervisor),
        cmocka_unit_test(test_supervisor_that_is_lost),
        cmocka_unit_test(test_wait_returns_only_after_the_supervisor_has_ended),
        cmocka_unit_test(test_free_ends_a_run_that_is_going),
        cmocka_unit_test(test_callers_that_reap_every_child),
        cmocka_unit_test(test_no_child_is_known_by_its_number_alone),
        cmocka_unit_test(test_supervisor_that_is_not_there),
        cmocka_unit_test(test_stdin_can_be_the_input),
        cmocka_unit_test(test_waiting_has_a_limit),
        cmocka_unit_test(test_run_json),
        cmocka_unit_test(test_options_of_the_request_go_over_those_of_the_runner),
        cmocka_unit_test(test_no_fd_is_leaked),
    };
    return cmocka_run_group_tests_name("execution", tests, make_runner, free_runner);
}
