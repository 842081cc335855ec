/* SPDX-License-Identifier: MIT */
#include "box/box_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

static _Noreturn void execute(const struct box_hook *hook, int state, int text)
{
    if (dup2(state, 0) >= 0 && dup2(text, 1) >= 0 && dup2(text, 2) >= 0 &&
        close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
        execve(hook->path, hook->argv, hook->environment);
    box_end(127);
}

/* Waits for the hook's end, but no longer than it may take. Returns 0, or -1 with errno. */
static int await(pid_t pid, int timeout_ms, int *status)
{
    int fd = pidfd_open(pid, 0);
    struct pollfd end = {.fd = fd, .events = POLLIN};
    int n = fd < 0 ? -1 : poll(&end, 1, timeout_ms);
    int failed = n < 0 ? errno : n == 0 ? ETIMEDOUT : 0;
    if (fd >= 0)
        close(fd);
    if (failed)
        kill(pid, SIGKILL);
    while (waitpid(pid, status, 0) < 0)
        if (errno != EINTR)
            return -1;
    errno = failed;
    return failed ? -1 : 0;
}

/* This process is the first of the container's PID namespace. So what a hook has left running is all
 * that there is beside it. */
static void kill_rest(void)
{
    kill(-1, SIGKILL);
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
}

/* Returns the reading end of a pipe with the state, which fits into it. */
static int open_state(const char *state)
{
    int ends[2];
    size_t length = strlen(state);
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return -1;
    bool written = write(ends[1], state, length) == (ssize_t)length;
    close(ends[1]);
    if (written && fcntl(ends[0], F_SETFL, 0) == 0)
        return ends[0];
    close(ends[0]);
    return -1;
}

static int run(const struct box_hook *hook, const struct box_hooks *h, struct box_failure *failure)
{
    int status = 0, state = open_state(h->state);
    pid_t pid = state < 0 ? -1 : fork();
    if (pid == 0)
        execute(hook, state, h->text);
    if (state >= 0)
        close(state);
    if (pid < 0 || await(pid, hook->timeout_ms, &status) < 0)
        return box_failed(failure, BOX_RUN_HOOK, hook->path);
    if (status == 0)
        return 0;
    box_failed(failure, BOX_RUN_HOOK, hook->path);
    failure->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return -1;
}

int box_hooks_run(const struct box_hooks *h, struct box_failure *failure)
{
    int failed = 0;
    for (size_t i = 0; !failed && i < h->count; i++)
        failed = run(&h->all[i], h, failure);
    if (h->count)
        kill_rest();
    return failed;
}
