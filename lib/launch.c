/* SPDX-License-Identifier: MIT */
#include "launch.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define OPERATION "run.launch"

enum { CHILD_FDS = 6 };

static const char *find_supervisor(const char *given)
{
    if (given && *given)
        return given;
    /* Ignored in setuid programs: their caller must not choose what they execute. */
    const char *chosen = secure_getenv("LIGHT_RUNNER_SUPERVISOR");
    return chosen && *chosen ? chosen : LIGHT_RUNNER_LIBEXEC_DIR "/light-runner-supervisor";
}

/* Returns an unnamed file that holds the text and is positioned at its beginning. */
int launch_open_text(const char *text, lrun_error *err)
{
    cleanup_close int fd = memfd_create("light-runner-input", MFD_CLOEXEC);
    if (fd < 0 || io_write_all(fd, text, strlen(text), IO_NO_DEADLINE) < 0 ||
        lseek(fd, 0, SEEK_SET) < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot keep the input");
    return steal_fd(&fd);
}

/*
 * Replaces the fd with a copy above the child's fd numbers. The child calls dup2() for one number
 * after another, so a source with one of these numbers could be overwritten before it is copied.
 */
static int lift(int *fd, lrun_error *err)
{
    int high = fcntl(*fd, F_DUPFD_CLOEXEC, CHILD_FDS);
    if (high < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot pass on fd %d", *fd);
    *fd = high;
    return 0;
}

static void close_all(int (*fds)[CHILD_FDS])
{
    for (int i = 0; i < CHILD_FDS; i++)
        cleanup_close_fd(&(*fds)[i]);
}

/* Arguments for the child. The child shares the caller's memory until it calls execve(), so it
 * writes only to `error`. */
struct child {
    const char *path, *id;
    const int *fds;
    int error; /* 0: execve() succeeded */
};

/*
 * In a setuid program, the environment comes from the user who called it. The library ignores it
 * (secure_getenv()), but a program that has become root completely would pass it on to a supervisor
 * that cannot know where it comes from.
 */
static char *const *environment(void)
{
    static char *const bare[] = {
        (char *)"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        (char *)"LC_ALL=C", NULL};
    return getauxval(AT_SECURE) ? bare : environ;
}

/* Not sanitized: the child leaves this stack without returning, and the sanitizer would remember
 * that for this memory. */
__attribute__((no_sanitize("address"))) static int run_child(void *user)
{
    struct child *c = user;
    char *argv[] = {(char *)"light-runner-supervisor", (char *)"run", (char *)(uintptr_t)c->id,
                    NULL};
    /* The caller's blocked and ignored signals must not affect the supervisor. All signals are
     * blocked here. */
    const struct sigaction by_default = {.sa_handler = SIG_DFL};
    sigset_t none;
    sigemptyset(&none);
    for (int number = 1; number < NSIG; number++)
        sigaction(number, &by_default, NULL);
    bool ready = setsid() >= 0;
    for (int i = 0; i < CHILD_FDS && ready; i++)
        ready = c->fds[i] < 0 || dup2(c->fds[i], i) == i;
    if (ready && close_range(CHILD_FDS, ~0u, 0) == 0 && sigprocmask(SIG_SETMASK, &none, NULL) == 0)
        execve(c->path, argv, environment());
    c->error = errno;
    _exit(127);
}

/*
 * Works like posix_spawn(): the child borrows the caller's memory, which is not copied, and the
 * caller waits until the child has called execve(). Unlike posix_spawn(), this gets the pidfd
 * together with the child. With only the pid, code in the caller that waits for every child could
 * wait for this one, and the pid could belong to another process before we open a pidfd.
 */
static int spawn(struct launched *out, struct child *c)
{
    enum { STACK_SIZE = 64 * 1024 };
    char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED)
        return errno;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int pidfd = -1;
    pid_t pid = clone(run_child, stack + STACK_SIZE, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD,
                      c, &pidfd);
    int error = pid < 0 ? errno : c->error;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    munmap(stack, STACK_SIZE);
    if (error && pid > 0) {
        siginfo_t ignored;
        while (waitid(P_PIDFD, (id_t)pidfd, &ignored, WEXITED) < 0 && errno == EINTR)
            continue;
        close(pidfd);
    }
    if (!error)
        *out = (struct launched){.pid = pid, .pidfd = pidfd, .socket = -1};
    return error;
}

/* Opens the child's fds above its fd numbers; -1 at 2 leaves the caller's stderr. */
static int gather(int fds[CHILD_FDS], const struct launch *l, int socket, bool has_stderr,
                  lrun_error *err)
{
    cleanup_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot open /dev/null");
    cleanup_close int text = -1, never = -1;
    int input = l->input_fd >= 0 ? l->input_fd : null;
    if (l->input_fd < 0 && l->text)
        input = text = launch_open_text(l->text, err);
    if (input < 0)
        return -1;
    int caller_cancel = l->caller_cancel;
    if (caller_cancel < 0) {
        caller_cancel = never = eventfd(0, EFD_CLOEXEC);
        if (never < 0)
            return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot make an eventfd");
    }
    int sources[CHILD_FDS] = {input, null, -1, socket, caller_cancel, l->cancel};
    if (!has_stderr)
        sources[2] = null;
    for (int i = 0; i < CHILD_FDS; i++) {
        if (sources[i] < 0)
            continue;
        int fd = sources[i];
        if (lift(&fd, err) < 0)
            return -1;
        fds[i] = fd;
    }
    return 0;
}

int launch_supervisor(struct launched *out, const struct launch *l, lrun_error *err)
{
    /* Checked first: if the caller runs without a stderr, one of our own fds may get the number
     * 2. */
    bool has_stderr = fcntl(STDERR_FILENO, F_GETFD) >= 0;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot make a socket pair");
    cleanup_close int ours = pair[0], theirs = pair[1];
    __attribute__((cleanup(close_all))) int fds[CHILD_FDS] = {-1, -1, -1, -1, -1, -1};
    if (gather(fds, l, theirs, has_stderr, err) < 0)
        return -1;

    const char *path = find_supervisor(l->supervisor);
    struct child child = {.path = path, .id = l->id, .fds = fds};
    struct launched launched = {.pidfd = -1, .socket = -1};
    int error = spawn(&launched, &child);
    if (error) {
        error_errno(err, LRUN_SUPERVISOR_LOST, OPERATION, error, "cannot start the supervisor '%s'",
                    path);
        return error_hint(err,
                          "install light-runner, or set LIGHT_RUNNER_SUPERVISOR to the path of "
                          "light-runner-supervisor");
    }
    launched.socket = steal_fd(&ours);
    *out = launched;
    return 0;
}
