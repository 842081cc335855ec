/* SPDX-License-Identifier: MIT */
#include "host/process.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <errno.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

char *const process_bare_environment[] = {
    (char *)"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    (char *)"LC_ALL=C",
    NULL,
};

char *process_find_program(const char *name)
{
    struct stat st;
    if (strchr(name, '/'))
        return access(name, X_OK) == 0 ? strdup(name) : NULL;
    /* sbin is not on every user's PATH, but some programs that we start are there. */
    const char *user_path = secure_getenv("PATH");
    const char *const lists[] = {user_path ? user_path : "",
                                 "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
    for (size_t i = 0; i < 2; i++) {
        for (const char *s = lists[i]; *s;) {
            size_t length = strcspn(s, ":");
            /* Only absolute folders: the current folder may hold anything. */
            if (length > 0 && s[0] == '/') {
                char candidate[4096];
                int n = snprintf(candidate, sizeof(candidate), "%.*s/%s", (int)length, s, name);
                if (n > 0 && (size_t)n < sizeof(candidate) && access(candidate, X_OK) == 0 &&
                    stat(candidate, &st) == 0 && S_ISREG(st.st_mode))
                    return strdup(candidate);
            }
            s += length;
            s += *s == ':';
        }
    }
    return NULL;
}

/* In the child. getppid() would not do: it is always 0 for a parent outside of our PID
 * namespace. */
static void tie_to(int parent)
{
    struct pollfd dead = {.fd = parent, .events = POLLIN};
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || poll(&dead, 1, 0) != 0)
        _exit(127);
}

static void reset_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
}

pid_t process_clone(struct process *out, uint64_t namespaces)
{
    return process_clone_into(out, namespaces, -1);
}

pid_t process_clone_into(struct process *out, uint64_t namespaces, int cgroup)
{
    cleanup_close int self = pidfd_open(getpid(), 0);
    int pidfd = -1;
    struct clone_args args = {
        .flags = namespaces | CLONE_PIDFD,
        .pidfd = (uint64_t)(uintptr_t)&pidfd,
        .exit_signal = SIGCHLD,
    };
    if (cgroup >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)cgroup;
    }
    pid_t pid = self < 0 ? -1 : (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    if (pid == 0) {
        tie_to(self);
        reset_signals();
    } else if (pid > 0) {
        *out = (struct process){.pid = pid, .pidfd = pidfd};
    }
    return pid;
}

void process_forget_environment(void)
{
    static char *none[] = {NULL};
    for (char **e = environ; e && *e; e++)
        explicit_bzero(*e, strlen(*e));
    environ = none;
}

int process_wait(struct process *p, int64_t deadline, struct process_status *status)
{
    for (;;) {
        struct pollfd fd = {.fd = p->pidfd, .events = POLLIN};
        int n = poll(&fd, 1, io_poll_timeout(deadline));
        if (n > 0)
            break;
        if (n < 0 && errno != EINTR)
            return -1;
        if (n == 0 && clock_ms() >= deadline) {
            errno = ETIMEDOUT;
            return -1;
        }
    }
    siginfo_t info = {0};
    /* __WALL: also children that were made without an exit signal. */
    if (waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED | __WALL) < 0)
        return -1;
    close(p->pidfd);
    p->pidfd = -1;
    bool exited = info.si_code == CLD_EXITED;
    *status = (struct process_status){
        .code = exited ? info.si_status : 128 + info.si_status,
        .signal = exited ? 0 : info.si_status,
    };
    return 0;
}

void process_kill(const struct process *p)
{
    if (p->pidfd >= 0)
        pidfd_send_signal(p->pidfd, SIGKILL, NULL, 0);
}

void process_destroy(struct process *p)
{
    if (p->pidfd < 0)
        return;
    struct process_status status;
    process_kill(p);
    if (process_wait(p, clock_ms() + 10000, &status) < 0) {
        close(p->pidfd);
        p->pidfd = -1;
    }
}
