/* SPDX-License-Identifier: MIT */
#include "image/unpack_confine.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "image/unpack.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define OPERATION "image.confine"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SHADOW_MEMORY 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SHADOW_MEMORY 1
#endif

/* More than any compressor's window that libarchive takes, times a few. */
#define MEMORY_MAX (1ull << 30)
#define CPU_MAX_S  (30 * 60)

/*
 * SETFCAP is left out on purpose: capabilities of files in an image are not restored. A sandbox
 * drops nearly all of them anyway, and nothing in an archive should be able to hand out privileges.
 */
static const uint64_t kept_capabilities =
    1ull << CAP_CHOWN | 1ull << CAP_DAC_OVERRIDE | 1ull << CAP_FOWNER | 1ull << CAP_FSETID;

static int fail(lr_error *err, const char *what)
{
    error_errno(err, LR_IO_FAILED, OPERATION, errno, "cannot confine the unpacking: %s", what);
    return -1;
}

/* Without root: a user namespace in which the one user that we are is root. */
static int map_user(uid_t uid, gid_t gid)
{
    char uid_map[64], gid_map[64];
    snprintf(uid_map, sizeof(uid_map), "0 %u 1", uid);
    snprintf(gid_map, sizeof(gid_map), "0 %u 1", gid);
    return io_write_control(AT_FDCWD, "/proc/self/setgroups", "deny") < 0 ||
                   io_write_control(AT_FDCWD, "/proc/self/uid_map", uid_map) < 0 ||
                   io_write_control(AT_FDCWD, "/proc/self/gid_map", gid_map) < 0
               ? -1
               : 0;
}

static _Noreturn void wait_for(pid_t pid)
{
    int status;
    /* No deadline of its own: whoever has started us has one, and the child dies with us. */
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            _exit(UNPACK_FAILED);
    if (WIFEXITED(status))
        _exit(WEXITSTATUS(status));
    int signal_number = WTERMSIG(status);
    dprintf(2, "killed by signal %d%s\n", signal_number,
            signal_number == SIGXFSZ   ? ": a file is too large"
            : signal_number == SIGXCPU ? ": it takes too long"
                                       : "");
    _exit(signal_number == SIGXFSZ || signal_number == SIGXCPU ? UNPACK_INVALID : UNPACK_FAILED);
}

/* Process 1 of the new PID namespace: from there no other process of the machine can be named. */
static int go_on_in_child(lr_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return fail(err, "pipe");
    pid_t pid = fork();
    if (pid < 0)
        return fail(err, "fork");
    if (pid > 0) {
        close(ends[0]); /* and keeps the other end until it exits */
        wait_for(pid);
    }
    close(ends[1]);
    cleanup_close int parent = ends[0];
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return fail(err, "prctl");
    /* It may have died before that call, and getppid() is always 0 here. */
    struct pollfd p = {.fd = parent};
    if (poll(&p, 1, 0) != 0)
        _exit(UNPACK_FAILED);
    return 0;
}

static int change_root(const char *folder, lr_error *err)
{
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return fail(err, "private mounts");
    if (mount(folder, folder, NULL, MS_BIND, NULL) < 0 || chdir(folder) < 0)
        return fail(err, "mounting the folder");
    /* noexec also keeps the C library from loading a character set's module out of the archive. */
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC};
    if (mount_setattr(AT_FDCWD, ".", 0, &attr, sizeof(attr)) < 0)
        return fail(err, "mount flags");
    /* Over the old root and off with that: unlike after a chroot, nothing of it is left to find. */
    if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return fail(err, "changing the root");
    return 0;
}

static int drop_capabilities(lr_error *err)
{
    for (unsigned long c = 0; c < 64; c++)
        if (!(kept_capabilities >> c & 1) && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0 &&
            errno != EINVAL) /* the kernel does not know it */
            return fail(err, "capabilities");
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    for (int i = 0; i < 2; i++)
        data[i].effective = data[i].permitted = (uint32_t)(kept_capabilities >> (32 * i));
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
        syscall(SYS_capset, &header, data) < 0)
        return fail(err, "capabilities");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return fail(err, "no new privileges");
    return 0;
}

static int limit(int resource, rlim_t value, lr_error *err)
{
    struct rlimit now;
    if (getrlimit(resource, &now) < 0)
        return fail(err, "limits");
    if (now.rlim_max < value)
        value = now.rlim_max;
    now = (struct rlimit){value, value};
    return setrlimit(resource, &now) < 0 ? fail(err, "limits") : 0;
}

int unpack_confine(const char *folder, uint64_t max_file_bytes, lr_error *err)
{
    int namespaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
    uid_t uid = geteuid();
    gid_t gid = getegid();
    if (unshare(uid == 0 ? namespaces : namespaces | CLONE_NEWUSER) < 0) {
        fail(err, "new namespaces");
        return -1;
    }
    if (uid != 0 && map_user(uid, gid) < 0)
        return fail(err, "mapping the user");
    if (go_on_in_child(err) < 0 || change_root(folder, err) < 0 || drop_capabilities(err) < 0)
        return -1;
#ifndef SHADOW_MEMORY
    if (limit(RLIMIT_AS, MEMORY_MAX, err) < 0)
        return -1;
#endif
    if (limit(RLIMIT_FSIZE, max_file_bytes, err) < 0 || limit(RLIMIT_CPU, CPU_MAX_S, err) < 0 ||
        limit(RLIMIT_NOFILE, 256, err) < 0 || limit(RLIMIT_CORE, 0, err) < 0)
        return -1;
    umask(022);
    return 0;
}
