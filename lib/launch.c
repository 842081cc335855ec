/* SPDX-License-Identifier: MIT */
#include "launch.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define OPERATION "run.launch"

enum { CHILD_FDS = 6 };

static const char *find_supervisor(const char *given)
{
    if (given && *given)
        return given;
    /* Not for setuid programs: their caller must not choose what they execute. */
    const char *chosen = secure_getenv("LIGHT_RUNNER_SUPERVISOR");
    return chosen && *chosen ? chosen : LIGHT_RUNNER_LIBEXEC_DIR "/light-runner-supervisor";
}

/* The text in a file without a name, to be read from its beginning. */
static int open_text(const char *text, lr_error *err)
{
    cleanup_close int fd = memfd_create("light-runner-input", MFD_CLOEXEC);
    if (fd < 0 || io_write_all(fd, text, strlen(text), IO_NO_DEADLINE) < 0 ||
        lseek(fd, 0, SEEK_SET) < 0)
        return error_errno(err, LR_IO_FAILED, OPERATION, errno, "cannot keep the input");
    return steal_fd(&fd);
}

/*
 * A copy above the child's numbers. The file actions are a row of dup2()s: a source that is itself
 * one of the targets would be overwritten by an earlier one.
 */
static int lift(int *fd, lr_error *err)
{
    int high = fcntl(*fd, F_DUPFD_CLOEXEC, CHILD_FDS);
    if (high < 0)
        return error_errno(err, LR_IO_FAILED, OPERATION, errno, "cannot pass on fd %d", *fd);
    *fd = high;
    return 0;
}

static void close_all(int (*fds)[CHILD_FDS])
{
    for (int i = 0; i < CHILD_FDS; i++)
        cleanup_close_fd(&(*fds)[i]);
}

static int spawn(pid_t *pid, const char *path, const char *id, const int fds[CHILD_FDS])
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int error = posix_spawn_file_actions_init(&actions);
    if (error)
        return error;
    error = posix_spawnattr_init(&attributes);
    if (error) {
        posix_spawn_file_actions_destroy(&actions);
        return error;
    }
    for (int i = 0; i < CHILD_FDS && !error; i++)
        if (fds[i] >= 0)
            error = posix_spawn_file_actions_adddup2(&actions, fds[i], i);
    if (!error)
        error = posix_spawn_file_actions_addclosefrom_np(&actions, CHILD_FDS);

    /* The caller's blocked and ignored signals are its own affair. */
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    if (!error)
        error = posix_spawnattr_setsigmask(&attributes, &none);
    if (!error)
        error = posix_spawnattr_setsigdefault(&attributes, &all);
    if (!error)
        error = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                                          POSIX_SPAWN_SETSIGDEF);
    char *argv[] = {(char *)"light-runner-supervisor", (char *)"run", (char *)id, NULL};
    if (!error)
        error = posix_spawn(pid, path, &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

/* Opens, above the child's numbers, what the child gets; -1 at 2 leaves the caller's stderr. */
static int gather(int fds[CHILD_FDS], const struct launch *l, int socket, bool has_stderr,
                  lr_error *err)
{
    cleanup_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return error_errno(err, LR_IO_FAILED, OPERATION, errno, "cannot open /dev/null");
    cleanup_close int text = -1, never = -1;
    int input = l->input_fd >= 0 ? l->input_fd : null;
    if (l->input_fd < 0 && l->text)
        input = text = open_text(l->text, err);
    if (input < 0)
        return -1;
    int caller_cancel = l->caller_cancel;
    if (caller_cancel < 0) {
        caller_cancel = never = eventfd(0, EFD_CLOEXEC);
        if (never < 0)
            return error_errno(err, LR_IO_FAILED, OPERATION, errno, "cannot make an eventfd");
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

int launch_supervisor(struct launched *out, const struct launch *l, lr_error *err)
{
    /* One of our own fds may get the number 2 in a caller that runs without a stderr. */
    bool has_stderr = fcntl(STDERR_FILENO, F_GETFD) >= 0;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return error_errno(err, LR_IO_FAILED, OPERATION, errno, "cannot make a socket pair");
    cleanup_close int ours = pair[0], theirs = pair[1];
    __attribute__((cleanup(close_all))) int fds[CHILD_FDS] = {-1, -1, -1, -1, -1, -1};
    if (gather(fds, l, theirs, has_stderr, err) < 0)
        return -1;

    const char *path = find_supervisor(l->supervisor);
    pid_t pid;
    int error = spawn(&pid, path, l->id, fds);
    if (error) {
        error_errno(err, LR_SUPERVISOR_LOST, OPERATION, error, "cannot start the supervisor '%s'",
                    path);
        return error_hint(err,
                          "install light-runner, or set LIGHT_RUNNER_SUPERVISOR to the path of "
                          "light-runner-supervisor");
    }
    int pidfd = pidfd_open(pid, 0);
    if (pidfd < 0) {
        int saved = errno;
        /* Not yet waited for, so the number is still its own. */
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return error_errno(err, LR_SUPERVISOR_LOST, OPERATION, saved,
                           "cannot watch the supervisor");
    }
    *out = (struct launched){.pid = pid, .pidfd = pidfd, .socket = steal_fd(&ours)};
    return 0;
}
