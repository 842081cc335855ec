/* SPDX-License-Identifier: MIT */
#include "confine.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

static const char operation[] = "confine";

/* Where the cgroup hierarchy is mounted for a moment: every sandbox has this folder. */
#define MOUNT_POINT "/dev/shm"

#define GROUP "light-runner"

/* Only the agent needs these. It gives them up before the command starts. */
static const int capabilities[] = {CAP_SYS_ADMIN, CAP_SETPCAP};

enum { CAPABILITY_COUNT = sizeof(capabilities) / sizeof(capabilities[0]) };

/* Sets a limit that is enforced from outside, so that programs can see it. If this kernel cannot
 * show it, the limit holds all the same. */
static void note_limit(int top, const char *controller, const char *file, const char *text)
{
    if (io_write_control(top, "cgroup.subtree_control", controller) == 0)
        (void)io_write_control(top, file, text);
}

/*
 * Uses the unified hierarchy, because the limit is exact there. With one hierarchy per controller,
 * gVisor asks only one of a process's groups, any of them, whether the process may fork.
 */
static int enter_group(const struct confine_limits *limits, struct failure *failure)
{
    char max[24], memory[24], cpu[48];
    snprintf(max, sizeof(max), "%" PRIu64, limits->pids);
    snprintf(memory, sizeof(memory), "%" PRIu64, limits->memory);
    snprintf(cpu, sizeof(cpu), "%" PRIu64 " %d", limits->cpu_us, CONFINE_PERIOD_US);
    cleanup_close int top = open(MOUNT_POINT, O_PATH | O_DIRECTORY | O_CLOEXEC);
    /* A cgroup that passes a controller down must have no process, unless it is the root of all
     * cgroups. A daemon starts the agent in a cgroup of its own, so the agent leaves that first. */
    if (top < 0 || mkdirat(top, GROUP, 0700) < 0 ||
        io_write_control(top, GROUP "/cgroup.procs", "1") < 0 ||
        io_write_control(top, "cgroup.subtree_control", "+pids") < 0 ||
        io_write_control(top, GROUP "/pids.max", max) < 0)
        return failure_errno(failure, operation, errno, "cannot limit the number of processes");
    if (limits->memory)
        note_limit(top, "+memory", GROUP "/memory.max", memory);
    if (limits->cpu_us)
        note_limit(top, "+cpu", GROUP "/cpu.max", cpu);
    return 0;
}

static int limit_processes(const struct confine_limits *limits, struct failure *failure)
{
    if (mount("cgroup", MOUNT_POINT, "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        return failure_errno(failure, operation, errno, "cannot mount the pids controller");
    int failed = enter_group(limits, failure);
    if (umount2(MOUNT_POINT, MNT_DETACH) < 0)
        return failure_errno(failure, operation, errno, "cannot unmount the pids controller");
    return failed;
}

/* Unmounts gVisor's own /tmp, and the cgroups that a daemon has mounted. */
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
 * The agent's cgroup becomes the root of the cgroups that programs see. No program can write to its
 * files or has the capability to mount them in another way. If the image has a symbolic link in the
 * place of /sys, the limits are not shown.
 */
static void show_limits(void)
{
    struct statfs st;
    cleanup_close int sys = open("/sys", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (sys >= 0 && fstatfs(sys, &st) == 0 && st.f_type == SYSFS_MAGIC &&
        unshare(CLONE_NEWCGROUP) == 0)
        (void)mount("cgroup2", "/sys/fs/cgroup", "cgroup2",
                    MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

/*
 * Makes the kernel's settings read-only. Other OCI runtimes do this themselves. gVisor's does not,
 * because these are the settings of its own kernel, but no program in a sandbox may change them. If
 * the image has a symbolic link in the place of /proc, the settings are somewhere else, and this
 * fails.
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

/* Removes gVisor's unusual devices, which lead to parts of the kernel that no run needs. */
static int remove_devices(struct failure *failure)
{
    static const char *const devices[] = {"/dev/fuse", "/dev/net/tun"};
    for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
        if (unlink(devices[i]) < 0 && errno != ENOENT && errno != ENOTDIR)
            return failure_errno(failure, operation, errno, "cannot remove '%s'", devices[i]);
    return 0;
}

int confine_self(const struct confine_limits *limits, struct failure *failure)
{
    if (limit_processes(limits, failure) < 0 || uncover(failure) < 0 ||
        protect_settings(failure) < 0)
        return -1;
    show_limits();
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
        return failure_errno(failure, operation, errno, "cannot drop capabilities");
    return 0;
}
