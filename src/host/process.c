/* SPDX-License-Identifier: MIT */
#include "host/process.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
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
    /* sbin is not on every user's PATH, and some of what we start lives there. */
    const char *user_path = secure_getenv("PATH");
    const char *const lists[] = {user_path ? user_path : "",
                                 "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
    for (size_t i = 0; i < 2; i++) {
        for (const char *s = lists[i]; *s;) {
            size_t length = strcspn(s, ":");
            /* Only absolute folders: the current one may hold anything. */
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

/* In the child. getppid() would not do: a parent outside of our PID namespace is always 0. */
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
    cleanup_close int self = pidfd_open(getpid(), 0);
    int pidfd = -1;
    struct clone_args args = {
        .flags = namespaces | CLONE_PIDFD,
        .pidfd = (uint64_t)(uintptr_t)&pidfd,
        .exit_signal = SIGCHLD,
    };
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
    /* __WALL: children made without an exit signal count too. */
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

/* Reads both pipes to their end, keeping the first bytes of each. */
static int drain(int out_fd, char *out, size_t out_size, int err_fd, char *text, size_t text_size,
                 int64_t deadline)
{
    struct {
        int fd;
        char *data;
        size_t size, used;
    } streams[2] = {{out_fd, out, out_size, 0}, {err_fd, text, text_size, 0}};
    for (int open = 2; open > 0;) {
        struct pollfd fds[2] = {{.fd = streams[0].fd, .events = POLLIN},
                                {.fd = streams[1].fd, .events = POLLIN}};
        int n = poll(fds, 2, io_poll_timeout(deadline));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        for (int i = 0; i < 2; i++) {
            if (!fds[i].revents)
                continue;
            char chunk[4096];
            ssize_t got = read(streams[i].fd, chunk, sizeof(chunk));
            if (got < 0 && errno == EINTR)
                continue;
            if (got <= 0) {
                streams[i].fd = -1;
                open--;
                continue;
            }
            size_t room = streams[i].size ? streams[i].size - 1 - streams[i].used : 0;
            size_t keep = (size_t)got < room ? (size_t)got : room;
            if (keep) {
                memcpy(streams[i].data + streams[i].used, chunk, keep);
                streams[i].used += keep;
            }
        }
    }
    for (int i = 0; i < 2; i++)
        if (streams[i].size)
            streams[i].data[streams[i].used] = '\0';
    return 0;
}

int process_run(const char *const *argv, int64_t timeout_ms, char *output, size_t size,
                lrun_code code, lrun_error *err)
{
    const char *operation = argv[0];
    cleanup_free char *program = process_find_program(argv[0]);
    if (!program)
        return error_set(err, code, operation, "the program '%s' is not installed", argv[0]);
    int out_pipe[2], err_pipe[2];
    if (pipe2(out_pipe, O_CLOEXEC) < 0)
        return error_errno(err, code, operation, errno, "cannot make a pipe");
    cleanup_close int out_read = out_pipe[0], out_write = out_pipe[1];
    if (pipe2(err_pipe, O_CLOEXEC) < 0)
        return error_errno(err, code, operation, errno, "cannot make a pipe");
    cleanup_close int err_read = err_pipe[0], err_write = err_pipe[1];

    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out_write, 1);
    posix_spawn_file_actions_adddup2(&actions, err_write, 2);
    pid_t pid;
    /* posix_spawn takes char *const[] for historical reasons; it does not write to the strings. */
    int failed =
        posix_spawn(&pid, program, &actions, NULL, (char *const *)argv, process_bare_environment);
    posix_spawn_file_actions_destroy(&actions);
    if (failed)
        return error_errno(err, code, operation, failed, "cannot start '%s'", program);
    struct process child = {.pid = pid, .pidfd = pidfd_open(pid, 0)};
    close(steal_fd(&out_write));
    close(steal_fd(&err_write));

    int64_t deadline = clock_ms() + timeout_ms;
    char text[512] = "";
    struct process_status status;
    if (output && size)
        output[0] = '\0';
    if (drain(out_read, output, output ? size : 0, err_read, text, sizeof(text), deadline) < 0 ||
        process_wait(&child, deadline, &status) < 0) {
        process_destroy(&child);
        return error_set(err, code, operation, "'%s' did not end within %lld ms", program,
                         (long long)timeout_ms);
    }
    if (status.code != 0) {
        text[strcspn(text, "\n")] = '\0';
        return error_set(err, code, operation, "'%s' failed with code %d%s%s", program, status.code,
                         text[0] ? ": " : "", text);
    }
    return 0;
}
