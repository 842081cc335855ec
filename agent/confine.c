/* SPDX-License-Identifier: MIT */
#include "confine.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

static const char operation[] = "confine";

/* Where the hierarchy is mounted for a moment: a folder that is there in every sandbox. */
#define MOUNT_POINT "/dev/shm"

#define GROUP "light-runner"

/* Needed here, and by nobody after that. */
static const int capabilities[] = {CAP_SYS_ADMIN, CAP_SETPCAP};

enum { CAPABILITY_COUNT = sizeof(capabilities) / sizeof(capabilities[0]) };

/*
 * By the unified hierarchy, where the limit is exact: with one hierarchy per controller, gVisor asks one of
 * a process's groups, any of them, whether it may fork.
 */
static int enter_group(uint64_t pids, struct failure *failure)
{
    char max[24];
    snprintf(max, sizeof(max), "%" PRIu64, pids);
    cleanup_close int top = open(MOUNT_POINT, O_PATH | O_DIRECTORY | O_CLOEXEC);
    /* A group that hands a controller down must have no process, unless it is the root of all: what a daemon
     * starts is in a group of its own already. */
    if (top < 0 || mkdirat(top, GROUP, 0700) < 0 ||
        io_write_control(top, GROUP "/cgroup.procs", "1") < 0 ||
        io_write_control(top, "cgroup.subtree_control", "+pids") < 0 ||
        io_write_control(top, GROUP "/pids.max", max) < 0)
        return failure_errno(failure, operation, errno, "cannot limit the number of processes");
    return 0;
}

/* With nothing mounted, and no capability to mount it anew, nobody finds a way to the group's files. */
static int limit_processes(uint64_t pids, struct failure *failure)
{
    if (mount("cgroup", MOUNT_POINT, "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        return failure_errno(failure, operation, errno, "cannot mount the pids controller");
    int failed = enter_group(pids, failure);
    if (umount2(MOUNT_POINT, MNT_DETACH) < 0)
        return failure_errno(failure, operation, errno, "cannot unmount the pids controller");
    return failed;
}

/* gVisor's own /tmp, and the groups as a daemon has them mounted. */
static int uncover(struct failure *failure)
{
    static const char *const paths[] = {"/tmp", "/sys/fs/cgroup"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        /* EINVAL: nothing is mounted there. */
        if (umount2(paths[i], MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL &&
            errno != ENOENT)
            return failure_errno(failure, operation, errno, "cannot unmount '%s'", paths[i]);
    }
    return 0;
}

/*
 * An OCI runtime does this elsewhere. gVisor's does not, because these are the settings of its own kernel, but a program has
 * no business with them. The image may have a symbolic link in the place of /proc: then the settings are somewhere else.
 */
static int protect_settings(struct failure *failure)
{
    static const char settings[] = "/proc/sys";
    struct statfs st;
    cleanup_close int proc = open("/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (proc < 0 || fstatfs(proc, &st) < 0)
        return failure_errno(failure, operation, errno, "cannot open '/proc'");
    if (st.f_type != PROC_SUPER_MAGIC)
        return failure_errno(failure, operation, ENOTDIR, "the kernel's files are not in '/proc'");
    if (mount(settings, settings, NULL, MS_BIND, NULL) < 0 ||
        mount(NULL, settings, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) < 0)
        return failure_errno(failure, operation, errno, "cannot make '%s' read-only", settings);
    return 0;
}

/* Devices that it has beyond the usual: doors to parts of the kernel that nobody here needs. */
static int remove_devices(struct failure *failure)
{
    static const char *const devices[] = {"/dev/fuse", "/dev/net/tun"};
    for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
        if (unlink(devices[i]) < 0 && errno != ENOENT && errno != ENOTDIR)
            return failure_errno(failure, operation, errno, "cannot remove '%s'", devices[i]);
    return 0;
}

int confine_self(uint64_t pids, struct failure *failure)
{
    if (limit_processes(pids, failure) < 0 || uncover(failure) < 0 ||
        protect_settings(failure) < 0)
        return -1;
    return remove_devices(failure);
}

int confine_drop_capabilities(struct failure *failure)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    int failed = (int)syscall(SYS_capget, &header, data);
    for (int i = 0; !failed && i < CAPABILITY_COUNT; i++) {
        struct __user_cap_data_struct *word = &data[CAP_TO_INDEX(capabilities[i])];
        uint32_t kept = ~CAP_TO_MASK(capabilities[i]);
        word->effective &= kept;
        word->permitted &= kept;
        word->inheritable &= kept;
        failed = prctl(PR_CAPBSET_DROP, capabilities[i], 0, 0, 0);
    }
    if (failed || syscall(SYS_capset, &header, data) < 0)
        return failure_errno(failure, operation, errno, "cannot give up capabilities");
    return 0;
}
