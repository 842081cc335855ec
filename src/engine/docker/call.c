/* SPDX-License-Identifier: MIT */
#include "engine/docker/call.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#define OPERATION "docker.call"

/* In ms. The library waits 15 s for the answer to an order. */
enum { CALL_TIMEOUT = 12000 };

/* The outcome that the child process reports. It is written and read in one piece. */
struct outcome {
    int rc;
    lrun_error error;
};
static_assert(sizeof(struct outcome) <= PIPE_BUF, "one piece");

void call_init(struct call *c)
{
    *c = (struct call){.process = {.pidfd = -1}, .answer = -1};
}

static int perform(const struct daemon *d, const char *container, const char *action,
                   lrun_error *err)
{
    struct daemon own = *d;
    char operation[32];
    snprintf(operation, sizeof(operation), "docker.%s", action);
    struct http_request request = {
        .operation = operation, .method = "POST", .timeout_ms = CALL_TIMEOUT};
    cleanup_answer struct http_answer answer = {0};
    if (http_open(&own.http, &d->endpoint, NULL, err) < 0 ||
        daemon_call(&own, &request, &answer, err, "/containers/%s/%s", container, action) < 0)
        return -1;
    if (answer.status == 204)
        return 0;
    char what[48];
    snprintf(what, sizeof(what), "cannot %s the container", action);
    return daemon_refused(&answer, LRUN_IO_FAILED, operation, what, err);
}

static _Noreturn void run_child(const struct daemon *d, const char *container, const char *action,
                                int given)
{
    enum { TO = 3 };
    struct outcome outcome = {0};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC), to = fcntl(given, F_DUPFD_CLOEXEC, 64);
    for (int fd = 0; fd < TO; fd++)
        if (dup2(null, fd) < 0)
            _exit(1);
    /* Close everything else, above all the caller's socket: the caller must see when
     * the supervisor ends. */
    if (dup3(to, TO, O_CLOEXEC) < 0 || close_range(TO + 1, ~0u, 0) < 0)
        _exit(1);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_NAME, "docker-call");
    outcome.rc = perform(d, container, action, &outcome.error);
    _exit(write(TO, &outcome, sizeof(outcome)) == (ssize_t)sizeof(outcome) ? 0 : 1);
}

int call_start(struct call *c, const struct daemon *d, const char *container, const char *action,
               lrun_error *err)
{
    int made[2];
    if (pipe2(made, O_CLOEXEC) < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot make a pipe");
    cleanup_close int from = made[0], to = made[1];
    pid_t pid = process_clone(&c->process, 0);
    if (pid == 0)
        run_child(d, container, action, to);
    if (pid < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot start a process");
    c->answer = steal_fd(&from);
    return 0;
}

int call_finish(struct call *c, lrun_error *err)
{
    struct outcome outcome;
    ssize_t n;
    do
        n = read(c->answer, &outcome, sizeof(outcome));
    while (n < 0 && errno == EINTR);
    call_abandon(c);
    if (n != (ssize_t)sizeof(outcome))
        return error_set(err, LRUN_IO_FAILED, OPERATION, "the call to the daemon ended early");
    if (outcome.rc < 0)
        *err = outcome.error;
    return outcome.rc;
}

void call_abandon(struct call *c)
{
    process_destroy(&c->process);
    cleanup_close_fd(&c->answer);
}
