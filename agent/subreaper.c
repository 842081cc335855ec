/* SPDX-License-Identifier: MIT */
#include "subreaper.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static void close_between(int first, int last)
{
    if (first > last || close_range((unsigned)first, (unsigned)last, 0) == 0)
        return;
    for (int fd = first; fd <= last && fd < 1024; fd++)
        close(fd);
}

/* Closes everything but these fds and the first three: above all the agent's channel, and the pipes
 * of other commands. */
static void close_others(const int *kept, size_t count)
{
    for (int next = 3; next < INT_MAX;) {
        int nearest = INT_MAX;
        for (size_t i = 0; i < count; i++)
            if (kept[i] >= next && kept[i] < nearest)
                nearest = kept[i];
        close_between(next, nearest - 1);
        next = nearest == INT_MAX ? INT_MAX : nearest + 1;
    }
}

/* Until exec() the child shares the subreaper's memory and not the agent's, because another command
 * may be running already. A function of its own, because the child must not change what a caller
 * keeps in registers. */
__attribute__((noinline)) static pid_t spawn(const struct launch *l)
{
    pid_t pid = vfork();
    if (pid == 0)
        launch_exec(l);
    return pid;
}

static void send_report(int to, const struct subreaper_report *r)
{
    /* Shorter than PIPE_BUF. If the agent is gone, everything is about to end. */
    ssize_t n;
    do {
        n = write(to, r, sizeof(*r));
    } while (n < 0 && errno == EINTR);
}

_Noreturn static void keep(const struct launch *l, int report)
{
    const int kept[] = {l->stdio[0], l->stdio[1], l->stdio[2], l->status, l->workdir, report};
    struct subreaper_report r = {0};
    sigset_t all;
    sigfillset(&all);
    close_others(kept, sizeof(kept) / sizeof(kept[0]));
    if (sigprocmask(SIG_SETMASK, &all, NULL) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
        prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 ||
        (r.pid = spawn(l)) < 0) {
        /* For example, the sandbox has as many processes as it may have. */
        const struct launch_report failed = {LAUNCH_STDIO, errno};
        _exit(write(l->status, &failed, sizeof(failed)) == (ssize_t)sizeof(failed) ? 0 : 1);
    }
    /* First the report: whoever sees the other end of `status` closed finds the pid here. */
    send_report(report, &r);
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        if (kept[i] != report)
            close(kept[i]);
    for (;;) {
        struct rusage usage;
        int status;
        pid_t pid = wait4(-1, &status, 0, &usage);
        if (pid < 0 && errno == ECHILD)
            _exit(0);
        if (pid == r.pid && !r.ended) {
            r.ended = true;
            r.wait_status = status;
            r.usage = usage;
            send_report(report, &r);
        }
    }
}

pid_t subreaper_start(const struct launch *l, int *report)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    cleanup_close int reader = ends[0], writer = ends[1];
    if (io_set_nonblock(reader, true) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0)
        keep(l, writer);
    if (pid > 0)
        *report = steal_fd(&reader);
    return pid;
}
