/* SPDX-License-Identifier: MIT */
#include "container.h"
#include "devices.h"
#include "stop.h"

#include "policy/confinement.h"
#include "wire/guest.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define GROUP "/sys/fs/cgroup/run"

/* ---------------------------------------------------------------- the cgroup */

static void write_group(const char *file, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", GROUP, file);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        stop("write", path);
    close(fd);
}

static void write_number(const char *file, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRIu64, number);
    write_group(file, text);
}

void container_limit(const struct settings *s)
{
    /* As on a host with free memory: memory that is only reserved does not count. */
    int fd = open("/proc/sys/vm/overcommit_memory", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "1", 1) < 0)
        stop("write", "vm.overcommit_memory");
    close(fd);
    fd = open("/sys/fs/cgroup/cgroup.subtree_control", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "+memory +pids", 13) < 0 || mkdir(GROUP, 0755) < 0)
        stop("make", GROUP);
    close(fd);
    write_number("memory.max", s->memory);
    write_number("pids.max", s->pids);
}

void container_kill(void)
{
    write_group("cgroup.kill", "1");
}

static uint64_t read_number(const char *file, const char *key)
{
    char path[128], text[512];
    snprintf(path, sizeof(path), "%s/%s", GROUP, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    if (n < 0)
        return 0;
    text[n] = '\0';
    const char *at = key ? strstr(text, key) : text;
    return at ? strtoull(at + (key ? strlen(key) : 0), NULL, 10) : 0;
}

void container_report(int control)
{
    dprintf(control, GUEST_LINE_ENDED " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
            read_number("memory.events", "oom_kill "), read_number("memory.peak", NULL),
            read_number("pids.peak", NULL));
}

/* ---------------------------------------------------------------- in the container */

/* Ends the container's first process, which was to become the agent. The machine's first process
 * notices that. */
_Noreturn static void give_up(const char *what, const char *name)
{
    dprintf(STDERR_FILENO, "light-runner: cannot %s %.200s: %s\n", what, name, strerror(errno));
    _exit(127);
}

static void make_device(const char *path, unsigned major, unsigned minor)
{
    if (mknod(path, S_IFCHR | 0666, makedev(major, minor)) < 0 || chmod(path, 0666) < 0)
        give_up("make", path);
}

/*
 * Opens a path and follows no symbolic link in it. The image may have a link anywhere, and a mount
 * that is made through a link is not at the place where programs look for it later. Returns -1 with
 * ENOENT if the path does not exist.
 */
static int open_place(const char *path, int flags)
{
    struct open_how how = {
        .flags = (uint64_t)(flags | O_PATH | O_CLOEXEC),
        .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
    if (fd < 0 && errno != ENOENT)
        give_up("find", path);
    return fd;
}

/* Mounts on an existing folder. Enters the folder first, so that its path is not followed again. */
static void mount_on(const char *type, const char *at, unsigned long flags, const char *options)
{
    int fd = open_place(at, O_DIRECTORY);
    if (fd < 0 || fchdir(fd) < 0 || mount(type, ".", type, flags, options) < 0 || chdir("/") < 0)
        give_up("mount", at);
    close(fd);
}

/* Mounts the file or folder `from` at the place `at`. Closes both. */
static void bind_at(int from, int at, uint64_t attributes, const char *name)
{
    struct mount_attr attr = {.attr_set = attributes};
    int tree =
        open_tree(from, "", AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (tree < 0 ||
        mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0 ||
        move_mount(tree, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        give_up("mount", name);
    close(tree);
    close(from);
    close(at);
}

static void make_devices(void)
{
    static const unsigned long safe = MS_NOSUID | MS_NOEXEC;
    mount_on("tmpfs", "/dev", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k");
    make_device("/dev/null", 1, 3);
    make_device("/dev/zero", 1, 5);
    make_device("/dev/full", 1, 7);
    make_device("/dev/random", 1, 8);
    make_device("/dev/urandom", 1, 9);
    make_device("/dev/tty", 5, 0);
    static const char *const folders[] = {"/dev/pts", "/dev/shm", "/dev/mqueue"};
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        if (mkdir(folders[i], 0755) < 0)
            give_up("make", folders[i]);
    mount_on("devpts", "/dev/pts", safe, "newinstance,ptmxmode=0666,mode=0620,gid=5");
    mount_on("tmpfs", "/dev/shm", safe | MS_NODEV, "mode=1777,size=65536k");
    mount_on("mqueue", "/dev/mqueue", safe | MS_NODEV, NULL);
    static const char *const links[][2] = {{"pts/ptmx", "/dev/ptmx"},
                                           {"/proc/self/fd", "/dev/fd"},
                                           {"/proc/self/fd/0", "/dev/stdin"},
                                           {"/proc/self/fd/1", "/dev/stdout"},
                                           {"/proc/self/fd/2", "/dev/stderr"}};
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
        if (symlink(links[i][0], links[i][1]) < 0)
            give_up("make", links[i][1]);
}

/* Checks that the kernel's own file system is at this place, where the masks must take effect. Then
 * a path that does not exist there is one that this kernel does not have. */
static void check_kernel_files(const char *at, long type)
{
    struct statfs st;
    int fd = open_place(at, O_DIRECTORY);
    errno = ENOTDIR;
    if (fd < 0 || fstatfs(fd, &st) < 0 || st.f_type != type)
        give_up("recognize", at);
    close(fd);
}

static void mask(void)
{
    static const unsigned long safe = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    check_kernel_files("/proc", PROC_SUPER_MAGIC);
    check_kernel_files("/sys", SYSFS_MAGIC);
    for (const char *const *p = confinement_masked; *p; p++) {
        struct stat st;
        int at = open_place(*p, 0);
        if (at < 0)
            continue;
        if (fstat(at, &st) < 0)
            give_up("mask", *p);
        if (!S_ISDIR(st.st_mode)) {
            bind_at(open_place("/dev/null", 0), at, 0, *p);
            continue;
        }
        close(at);
        mount_on("tmpfs", *p, MS_RDONLY | safe, "size=0k");
    }
    for (const char *const *p = confinement_read_only; *p; p++) {
        int at = open_place(*p, 0);
        if (at >= 0)
            bind_at(open_place(*p, 0), at,
                    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
                    *p);
    }
}

/*
 * Enters the root before doing anything in it, so that no link of the image leads to the mounts
 * that the root is assembled from. None of those mounts is left in the container's mount namespace.
 */
static void enter_root(void)
{
    static const unsigned long safe = MS_NOSUID | MS_NOEXEC | MS_NODEV;
    static const char *const outside[] = {"/sys/fs/cgroup", "/sys",     "/proc",
                                          "/dev",           "/scratch", "/image"};
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || chdir(DEVICES_ROOT) < 0)
        give_up("enter", DEVICES_ROOT);
    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
        if (umount2(outside[i], MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
            give_up("unmount", outside[i]);
    if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
        give_up("enter", "the root");
    mount_on("proc", "/proc", safe, NULL);
    make_devices();
    mount_on("sysfs", "/sys", safe | MS_RDONLY, NULL);
    mask();
}

static void allow(struct __user_cap_data_struct *data, const struct confinement_capability *c)
{
    for (; c->name; c++) {
        struct __user_cap_data_struct *word = &data[CAP_TO_INDEX(c->number)];
        word->effective |= CAP_TO_MASK(c->number);
        word->permitted = word->effective;
    }
}

static void give_up_privileges(const struct settings *s)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
    allow(data, confinement_capabilities);
    /* The agent needs these to apply its limits and its filter. It gives them up afterwards. */
    allow(data, confinement_agent_capabilities);
    /* Core files of one byte: with 0, a core pattern with a pipe would still start a program. */
    const struct rlimit files = {1024, 1048576}, core = {1, 1};
    if (setrlimit(RLIMIT_NOFILE, &files) < 0 || setrlimit(RLIMIT_CORE, &core) < 0)
        give_up("set", "limits");
    for (int i = 0; prctl(PR_CAPBSET_READ, i) >= 0; i++)
        if (!(data[CAP_TO_INDEX(i)].permitted & CAP_TO_MASK(i)) && prctl(PR_CAPBSET_DROP, i) < 0)
            give_up("give up", "capabilities");
    if (syscall(SYS_capset, &header, data) < 0 ||
        (!s->suid && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0))
        give_up("give up", "privileges");
}

_Noreturn static void run(const struct settings *s, int channel)
{
    static char *const argv[] = {(char *)"/.light-runner-init", NULL};
    static char *const envp[] = {
        (char *)"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    umask(0);
    int agent = open("/agent", O_RDONLY | O_CLOEXEC);
    if (agent < 0 || dup2(channel, STDIN_FILENO) < 0 || dup2(channel, STDOUT_FILENO) < 0 ||
        sethostname(s->hostname, strlen(s->hostname)) < 0)
        give_up("prepare", "the agent");
    enter_root();
    umask(022);
    give_up_privileges(s);
    signal(SIGCHLD, SIG_DFL);
    execveat(agent, "", argv, envp, AT_EMPTY_PATH);
    give_up("start", "the agent");
}

pid_t container_start(const struct settings *s, int channel)
{
    int group = open(GROUP, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct clone_args args = {
        .flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP |
                 CLONE_INTO_CGROUP,
        .exit_signal = SIGCHLD,
        .cgroup = (uint64_t)group,
    };
    pid_t pid = group < 0 ? -1 : (pid_t)syscall(SYS_clone3, &args, sizeof(args));
    if (pid < 0)
        stop("start", "the container");
    if (pid == 0)
        run(s, channel);
    close(group);
    return pid;
}
