/* SPDX-License-Identifier: MIT */
#include "tier/oci/oci_runtime.h"

#include "base/cleanup.h"
#include "host/inherited.h"
#include "host/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

enum { ARGV_MAX = 24, PAUSE_TIMEOUT_MS = 10000 };

/* Open files of a sandbox; tier/oci_bundle.c has the same number for runtimes that set it. */
enum { FILES_SANDBOX = 1024 };

/* In the child, between clone and exec: every failure ends it with its reason on stderr. */
static void fail_child(const char *what)
{
    dprintf(STDERR_FILENO, "%s: %s\n", what, strerror(errno));
    _exit(127);
}

/* In a user namespace what was mounted outside cannot be unmounted, but hidden. EINVAL is also what it
 * says where nothing is mounted: then nothing is hidden. */
static int hide_unified(void)
{
    static const char folder[] = CGROUP_ROOT "/unified";
    if (umount2(folder, MNT_DETACH) == 0 || errno == ENOENT)
        return 0;
    if (errno != EINVAL)
        return -1;
    return mount("none", folder, "tmpfs", MS_RDONLY, NULL) < 0 && errno != ENOENT ? -1 : 0;
}

/* dup2() that clears CLOEXEC also when the fd has the number already. */
static int move_to(int fd, int number)
{
    return fd == number ? fcntl(fd, F_SETFD, 0) : dup2(fd, number);
}

/*
 * The runtime, in a read-only mount of its own that is nowhere to be found: the process that enters the sandbox shows its
 * program there as /proc/PID/exe, which must not be written to. crun and runc make such a mount and start themselves again
 * from it, which takes them a millisecond of six. -1: they have to.
 */
static int open_sealed(const char *path)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    cleanup_close int fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
        return -1;
    return steal_fd(&fd);
}

static void run_child(const struct oci_runtime_launch *l, char *const argv[])
{
    /* The stdio fds are above 2 and CLOEXEC; these copies are not. */
    for (int i = 0; i < 3; i++)
        if (dup2(l->stdio[i], i) < 0)
            fail_child("dup2");
    if (l->config >= 0 && move_to(l->config, 3) < 0)
        fail_child("dup2");
    /* What is mounted here is not the supervisor's affair; what it mounts is seen here. */
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        fail_child("cannot detach from the supervisor's mounts");
    if (l->image >= 0 && dup2(l->image, OCI_RUNTIME_IMAGE_FD) < 0)
        fail_child("dup2");
    if (cgroup_enter(l->cgroup) < 0)
        fail_child("cannot enter the cgroup");
    if (l->limit && inherited_limit(FILES_SANDBOX) < 0)
        fail_child("cannot set the resource limits");
    if (inherited_yield_memory() < 0)
        fail_child("cannot set the score for the OOM killer");
    /* The host's /proc shows other numbers than this namespace has. */
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        fail_child("cannot mount /proc");
    if (l->runtime->refuses_hybrid && hide_unified() < 0)
        fail_child("cannot hide the unused cgroup2");
    /* crun and runc copy themselves before they enter a sandbox, by way of a file in this folder, and
     * in /tmp otherwise: there it stays when they are killed. Nothing else of our environment (the
     * caller's, NOTIFY_SOCKET for one) is any of the runtime's business. */
    char copies[512];
    snprintf(copies, sizeof(copies), "_LIBCONTAINER_STATEDIR=%s", l->root);
    char *environment[] = {
        (char *)"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", copies, NULL,
        NULL};
    int sealed = l->runtime->copies_itself ? open_sealed(l->path) : -1;
    if (sealed >= 0) {
        environment[2] = (char *)"_LIBCONTAINER_CLONED_BINARY=1";
        execveat(sealed, "", argv, environment, AT_EMPTY_PATH);
        environment[2] = NULL;
    }
    execve(l->path, argv, environment);
    fail_child(l->path);
}

/* What is in front of every verb. Returns the number of arguments. */
static size_t add_common(const char **argv, const char *program, const struct oci_runtime_launch *l)
{
    size_t n = 0;
    argv[n++] = program;
    argv[n++] = "--root";
    argv[n++] = l->root;
    for (size_t i = 0; i < TIER_FLAGS_MAX && l->runtime->flags[i]; i++)
        argv[n++] = l->runtime->flags[i];
    return n;
}

int oci_runtime_start(struct process *out, const struct oci_runtime_launch *l, lrun_error *err)
{
    const char *argv[ARGV_MAX];
    size_t n = add_common(argv, l->runtime->name, l);
    for (size_t i = 0; i < OCI_RUNTIME_FLAGS_MAX && l->flags[i]; i++)
        argv[n++] = l->flags[i];
    argv[n++] = "run";
    argv[n++] = "--bundle";
    argv[n++] = l->bundle;
    argv[n++] = l->id;
    argv[n] = NULL;

    pid_t pid = process_clone(out, CLONE_NEWPID | CLONE_NEWNS);
    if (pid < 0) {
        int failed = errno;
        error_errno(err, LRUN_START_FAILED, "runtime.start", failed,
                    "cannot make the sandbox's process");
        return failed == EPERM ? error_hint(err, "run as root") : -1;
    }
    if (pid == 0)
        run_child(l, (char *const *)argv);
    return 0;
}

int oci_runtime_pause(const struct process *process, const struct oci_runtime_launch *l, bool on,
                      lrun_error *err)
{
    static const char operation[] = "runtime.pause";
    const char *argv[ARGV_MAX];
    size_t n = add_common(argv, l->path, l);
    argv[n++] = on ? "pause" : "resume";
    argv[n++] = l->id;
    argv[n] = NULL;
    /* The state names processes by their numbers in there. Only children of ours enter the namespace, not we. */
    cleanup_close int own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
    if (own < 0 || setns(process->pidfd, CLONE_NEWPID) < 0)
        return error_errno(err, LRUN_IO_FAILED, operation, errno,
                           "cannot enter the sandbox's PID namespace");
    int failed = spawn_program(argv, PAUSE_TIMEOUT_MS, NULL, 0, LRUN_IO_FAILED, err);
    if (setns(own, CLONE_NEWPID) < 0)
        return error_errno(err, LRUN_INTERNAL, operation, errno,
                           "cannot leave the sandbox's PID namespace");
    return failed;
}
