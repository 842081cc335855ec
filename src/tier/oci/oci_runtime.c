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

/* In the child, between clone and exec: every failure ends the child, with the reason on stderr. */
static void fail_child(const char *what)
{
    dprintf(STDERR_FILENO, "%s: %s\n", what, strerror(errno));
    _exit(127);
}

static void run_child(const struct oci_runtime_launch *l, char *const argv[])
{
    /* The stdio fds are above 2 and CLOEXEC; these copies are not. */
    for (int i = 0; i < 3; i++)
        if (dup2(l->stdio[i], i) < 0)
            fail_child("dup2");
    /* The supervisor does not see mounts that are made here; mounts that the supervisor
     * makes appear here. */
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        fail_child("cannot detach from the supervisor's mounts");
    if (l->image >= 0 && dup2(l->image, OCI_RUNTIME_IMAGE_FD) < 0)
        fail_child("dup2");
    if (cgroup_enter(l->cgroup) < 0)
        fail_child("cannot enter the cgroup");
    if (inherited_yield_memory() < 0)
        fail_child("cannot set the score for the OOM killer");
    /* The host's /proc shows other process ids than this namespace has. */
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        fail_child("cannot mount /proc");
    /* The rest of our environment is the caller's (for example NOTIFY_SOCKET). */
    char *environment[] = {
        (char *)"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    execve(l->path, argv, environment);
    fail_child(l->path);
}

/* Adds the arguments that come before every verb. Returns their number. */
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
    /* The runtime's state names processes by their ids in that namespace. setns() moves only our
     * children into it, not us. */
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
