/* SPDX-License-Identifier: MIT */
#include "box/box_launch.h"

#include "box/box_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int box_failed(struct box_failure *failure, enum box_step step, const char *what)
{
    *failure = (struct box_failure){.step = (int)step, .error = errno};
    strncpy(failure->what, what, sizeof(failure->what) - 1);
    return -1;
}

_Noreturn void box_end(int status)
{
    for (;;)
        syscall(SYS_exit_group, status);
}

/* ---------------------------------------------------------------- in the container's process */

static int reset_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    /* SIGKILL and the C library's own signals cannot be set; they already have their default. */
    for (int number = 1; number < NSIG; number++)
        if (signal(number, SIG_DFL) == SIG_ERR && errno != EINVAL)
            return -1;
    return sigprocmask(SIG_SETMASK, &none, NULL);
}

static int raise_loopback(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int rc = fd < 0 ? -1 : ioctl(fd, SIOCSIFFLAGS, &request);
    if (fd >= 0)
        close(fd);
    return rc;
}

static int make_keyring(void)
{
    /* A kernel without keys has no keyrings that could be shared. */
    return syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS ? -1 : 0;
}

/* The descriptors of a box are above 2, so that none is overwritten before it is copied. */
static int set_streams(const struct box *b)
{
    for (int i = 0; i < 3; i++)
        if (dup2(b->stdio[i], i) < 0)
            return -1;
    return 0;
}

static int make_private(void)
{
    struct mount_attr attr = {.propagation = MS_PRIVATE};
    return mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof(attr));
}

/* What the process is, apart from its mounts and its privileges. */
static int set_up_process(const struct box *b, struct box_failure *failure)
{
    if (box_privileges_limit(failure) < 0 || box_privileges_become_root(b, failure) < 0)
        return -1;
    if (setsid() < 0)
        return box_failed(failure, BOX_MAKE_SESSION, "");
    if (make_keyring() < 0)
        return box_failed(failure, BOX_MAKE_KEYRING, "");
    if (set_streams(b) < 0)
        return box_failed(failure, BOX_SET_STREAMS, "");
    if (reset_signals() < 0)
        return box_failed(failure, BOX_RESET_SIGNALS, "");
    if (sethostname(b->hostname, strlen(b->hostname)) < 0)
        return box_failed(failure, BOX_SET_HOSTNAME, "");
    if (b->loopback && raise_loopback() < 0)
        return box_failed(failure, BOX_RAISE_LOOPBACK, "");
    return 0;
}

static int set_up_mounts(const struct box *b, struct box_failure *failure)
{
    struct box_mounts mounts;
    if (make_private() < 0)
        return box_failed(failure, BOX_MAKE_PRIVATE, "");
    /* The modes of folders and devices are the ones that are asked for. */
    umask(0);
    if (box_mounts_make(&mounts, b, failure) < 0 || box_mounts_settings(&mounts, b, failure) < 0 ||
        box_mounts_place(b, failure) < 0 || box_mounts_attach(&mounts, b, failure) < 0 ||
        box_hooks_run(&b->hooks, failure) < 0 || box_mounts_enter(b, failure) < 0 ||
        box_mounts_restrict(&mounts, b, failure) < 0)
        return -1;
    umask(022);
    return 0;
}

static int build(const struct box *b, struct box_failure *failure)
{
    char *const argv[] = {(char *)b->name, NULL};
    static char *const environment[] = {
        (char *)"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        (char *)"HOME=/", NULL};
    if (set_up_process(b, failure) < 0 || set_up_mounts(b, failure) < 0)
        return -1;
    if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
        return box_failed(failure, BOX_CLOSE_FILES, "");
    if (box_privileges_drop(b, failure) < 0)
        return -1;
    execveat(b->agent, "", argv, environment, AT_EMPTY_PATH);
    return box_failed(failure, BOX_EXECUTE, "");
}

/* ---------------------------------------------------------------- in the caller */

static pid_t make_process(const struct box *b)
{
    struct clone_args args = {
        .flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP |
                 (b->network_namespace < 0 && !b->joins_caller ? CLONE_NEWNET : 0),
        .exit_signal = SIGCHLD,
    };
    if (b->cgroup >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)b->cgroup;
    }
    return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

/* Waits until the pipe's other end is closed, by a failure or because the agent was executed. */
static int hear(int from, struct box_failure *failure)
{
    ssize_t n;
    do
        n = read(from, failure, sizeof(*failure));
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return 0;
    return n == (ssize_t)sizeof(*failure) ? -1 : box_failed(failure, BOX_REPORT, "");
}

pid_t box_start(const struct box *b, struct box_failure *failure)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return box_failed(failure, BOX_MAKE_PIPE, "");
    pid_t pid = make_process(b);
    if (pid == 0) {
        struct box_failure own = {0};
        build(b, &own);
        (void)!write(ends[1], &own, sizeof(own));
        box_end(127);
    }
    int failed = pid < 0 ? box_failed(failure, BOX_MAKE_PROCESS, "") : 0;
    close(ends[1]);
    if (!failed)
        failed = hear(ends[0], failure);
    close(ends[0]);
    return failed ? -1 : pid;
}

/* A change of credentials clears the death signal, so this comes after the user namespace. */
static int tie(const struct box *b)
{
    struct pollfd dead = {.fd = b->parent, .events = POLLIN};
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || poll(&dead, 1, 0) < 0)
        return -1;
    if (dead.revents)
        box_end(127);
    return 0;
}

static int join(const struct box *b, struct box_failure *failure)
{
    if (box_privileges_limit(failure) < 0)
        return -1;
    if (b->user_namespace >= 0 && setns(b->user_namespace, CLONE_NEWUSER) < 0)
        return box_failed(failure, BOX_JOIN_USER, "");
    if (b->network_namespace >= 0 && setns(b->network_namespace, CLONE_NEWNET) < 0)
        return box_failed(failure, BOX_JOIN_NETWORK, "");
    /* The kernel makes a file system for the new IPC namespace (mqueue), which belongs to the file
     * system ids of whoever makes the namespace. The process keeps its other ids: the supervisor
     * may signal it without any capability. */
    setfsgid(0);
    setfsuid(0);
    if (setfsuid((uid_t)-1) != 0 || setfsgid((gid_t)-1) != 0)
        return box_failed(failure, BOX_BECOME_ROOT, "");
    return tie(b) < 0 ? box_failed(failure, BOX_TIE, "") : 0;
}

static _Noreturn void give_up(const struct box_failure *failure, int text)
{
    char line[BOX_FAILURE_TEXT];
    box_failure_text(failure, line);
    dprintf(text, "%s\n", line);
    box_end(127);
}

_Noreturn void box_keep(const struct box *b, int text)
{
    struct box_failure failure;
    pid_t pid = join(b, &failure) < 0 ? -1 : box_start(b, &failure);
    if (pid < 0)
        give_up(&failure, text);
    /* The other ends of the agent's streams must close with the agent. */
    if (close_range(0, ~0U, 0) < 0) {
        box_failed(&failure, BOX_CLOSE_FILES, "");
        give_up(&failure, text);
    }
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            box_end(127);
    box_end(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}
