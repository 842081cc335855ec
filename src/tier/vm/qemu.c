/* SPDX-License-Identifier: MIT */
#include "tier/vm/qemu.h"

#include "base/cleanup.h"
#include "host/inherited.h"
#include "host/system_root.h"
#include "wire/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#define KVM "/dev/kvm"

/* The numbers of the fds that QEMU gets. */
enum { FD_IMAGE = 3, FD_DISK, FD_AGENT, FD_CONTROL, FD_END, FD_ASIDE = 64 };

enum { ARGUMENTS_MAX = 64, TEXT_MAX = 1024 };

/* Maximum number of open files: each connection from the guest to the outside is one. */
enum { FILES_MAX = 1024 };

/* ---------------------------------------------------------------- the command line */

struct command {
    const char *argv[ARGUMENTS_MAX];
    size_t count;
    char machine[64], memory[32], cpus[16], append[TEXT_MAX];
};

/*
 * In the emulator, the guest has the host's time stamp counter, but measures its frequency
 * against an emulated timer. On a busy machine the guest gives up in one of fifteen starts, and
 * then waits forever for a tick. So we tell it the frequency.
 */
static void add_tsc_frequency(char *append, size_t size)
{
#if defined(__x86_64__)
    enum { NS_PER_MS = 1000000 };
    const struct timespec a_while = {.tv_nsec = 10 * NS_PER_MS};
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC_RAW, &before);
    uint64_t first = __builtin_ia32_rdtsc();
    nanosleep(&a_while, NULL);
    clock_gettime(CLOCK_MONOTONIC_RAW, &after);
    uint64_t ticks = __builtin_ia32_rdtsc() - first;
    int64_t ns = (after.tv_sec - before.tv_sec) * 1000 * NS_PER_MS + after.tv_nsec - before.tv_nsec;
    size_t used = strlen(append);
    if (ns > 0)
        snprintf(append + used, size - used, " tsc_early_khz=%" PRIu64,
                 (uint64_t)((double)ticks * NS_PER_MS / (double)ns));
#else
    (void)append;
    (void)size;
#endif
}

static void add(struct command *c, const char *option, const char *value)
{
    c->argv[c->count++] = option;
    if (value)
        c->argv[c->count++] = value;
}

static void add_disks(struct command *c)
{
    /* -add-fd: QEMU opens no path, and can write to only one of the two files. The run's disk is
     * discarded afterwards, so nothing waits for a flush. If the host's disk is full, the guest
     * gets an error; otherwise QEMU would stop it. */
    add(c, "-add-fd", "fd=3,set=1");
    add(c, "-blockdev",
        "driver=file,node-name=image,filename=/dev/fdset/1,read-only=on,locking=off");
    add(c, "-device", "virtio-blk-device,drive=image");
    add(c, "-add-fd", "fd=4,set=2");
    add(c, "-blockdev",
        "driver=file,node-name=disk,filename=/dev/fdset/2,locking=off,cache.no-flush=on");
    add(c, "-device", "virtio-blk-device,drive=disk,werror=report,rerror=report");
}

static void add_ports(struct command *c)
{
    add(c, "-device", "virtio-serial-device,max_ports=3");
    add(c, "-chardev", "socket,id=agent,fd=5");
    add(c, "-device", "virtserialport,chardev=agent,name=" GUEST_PORT_AGENT);
    add(c, "-chardev", "socket,id=control,fd=6");
    add(c, "-device", "virtserialport,chardev=control,name=" GUEST_PORT_CONTROL);
}

/*
 * The machine has only what a guest needs, and no bus that would be searched for more. The kernel
 * prints nothing but a panic, and ends after it. It does not test its cipher modules, which would
 * take a sixth of the time until the agent runs. Lockdown hides the kernel's memory from a
 * process that becomes root in the guest. It also saves the files for tracing, which would take
 * another sixth and 9 MiB.
 */
static void make_command(struct command *c, const struct qemu_launch *l)
{
    bool kvm = strcmp(l->accelerator, "kvm") == 0;
    snprintf(c->memory, sizeof(c->memory), "%" PRIu64 "M", l->memory_bytes >> 20);
    snprintf(c->cpus, sizeof(c->cpus), "%u", l->cpus);
    snprintf(c->append, sizeof(c->append),
             "console=ttyS0 loglevel=1 panic=-1 reboot=t edd=off cryptomgr.notests%s %s",
             l->files->is_signed ? " lockdown=confidentiality" : "", l->settings);
    if (!kvm)
        add_tsc_frequency(c->append, sizeof(c->append));
    add(c, "qemu", NULL);
    add(c, "-nodefaults", NULL);
    add(c, "-no-user-config", NULL);
    add(c, "-no-reboot", NULL);
    add(c, "-display", "none");
    add(c, "-monitor", "none");
    add(c, "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
    add(c, "-machine", "microvm,acpi=on,rtc=on,isa-serial=on");
    /* Otherwise, translated code may use a quarter of the machine's memory. */
    add(c, "-accel", kvm ? "kvm" : "tcg,thread=multi,tb-size=32");
    add(c, "-cpu", kvm ? "host" : "max");
    add(c, "-m", c->memory);
    add(c, "-smp", c->cpus);
    add(c, "-chardev", "stdio,id=console,signal=off");
    add(c, "-serial", "chardev:console");
    add(c, "-kernel", "/kernel");
    add(c, "-initrd", "/initramfs");
    add(c, "-append", c->append);
    /* Memory that is free in the guest goes back to the host. The host never asks for any. */
    add(c, "-device", "virtio-balloon-device,free-page-reporting=on");
    if (l->image >= 0)
        add_disks(c);
    if (l->agent >= 0)
        add_ports(c);
    if (l->network_namespace) {
        add(c, "-netdev", "user,id=network,ipv6=off");
        add(c, "-device", "virtio-net-device,netdev=network");
    }
    c->argv[c->count] = NULL;
}

/* ---------------------------------------------------------------- in the child */

/* Every failure ends the child, with the reason on the console. */
static _Noreturn void fail_child(const char *what)
{
    dprintf(STDERR_FILENO, "%s: %s\n", what, strerror(errno));
    _exit(127);
}

static void place(int fd, int number)
{
    if (fd >= 0 && dup2(fd, number) < 0)
        fail_child("dup2");
}

/* First moves the fds away from the numbers that they will get. */
static void place_fds(const struct qemu_launch *l)
{
    const int given[] = {l->console, l->image, l->disk, l->agent, l->control};
    int aside[sizeof(given) / sizeof(given[0])];
    for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++)
        aside[i] = given[i] < 0 ? -1 : fcntl(given[i], F_DUPFD_CLOEXEC, FD_ASIDE);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    place(aside[0], STDERR_FILENO);
    place(aside[0], STDOUT_FILENO);
    place(null, STDIN_FILENO);
    for (int i = 0; i < FD_END - FD_IMAGE; i++)
        place(aside[1 + i], FD_IMAGE + i);
}

static void show(const char *from, const char *to)
{
    if (system_root_show(from, to, false) < 0)
        fail_child(to);
}

static void make_root(const struct qemu_launch *l, const int trees[2])
{
    if (system_root_begin(l->root) < 0)
        fail_child("cannot make QEMU's root");
    if (strcmp(l->accelerator, "kvm") == 0)
        show(KVM, "dev/kvm");
    if (l->resolv_conf)
        show(l->resolv_conf, "etc/resolv.conf");
    if (system_root_show_tree(trees[0], "kernel", false) < 0 ||
        system_root_show_tree(trees[1], "initramfs", false) < 0 || system_root_seal() < 0 ||
        system_root_enter() < 0)
        fail_child("cannot enter QEMU's root");
}

/* Returns the group of KVM's device, which has its own group on most distributions. */
static gid_t kvm_group(void)
{
    struct stat st;
    return stat(KVM, &st) == 0 ? st.st_gid : 0;
}

/* Limits QEMU to the most that it needs. A write past the end of the run's disk kills it. */
static void set_limits(const struct qemu_launch *l)
{
    struct stat disk = {0};
    if (l->disk >= 0 && fstat(l->disk, &disk) < 0)
        fail_child("cannot read the size of the disk");
    const struct {
        int which;
        rlim_t most;
    } limits[] = {
        {RLIMIT_CORE, 1}, /* with 0, a core_pattern that is a pipe would still start a program */
        {RLIMIT_NOFILE, FILES_MAX},
        {RLIMIT_FSIZE, (rlim_t)disk.st_size},
        {RLIMIT_MEMLOCK, 0},
        /* Counted per user id, and only a run has a user id of its own. */
        {RLIMIT_NPROC, l->cgroup ? QEMU_PIDS + l->cpus : RLIM_INFINITY},
    };
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        __rlimit_resource_t which = (__rlimit_resource_t)limits[i].which;
        struct rlimit limit;
        if (getrlimit(which, &limit) < 0)
            fail_child("cannot read the limits");
        /* The caller's limit may be lower, and raising it takes a capability. */
        if (limits[i].most < limit.rlim_max || which == RLIMIT_CORE)
            limit.rlim_max = limits[i].most;
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(which, &limit) < 0)
            fail_child("cannot set QEMU's limits");
    }
}

static void become_nobody(const struct qemu_launch *l, int parent)
{
    gid_t kvm = strcmp(l->accelerator, "kvm") == 0 ? kvm_group() : 0;
    struct pollfd dead = {.fd = parent, .events = POLLIN};
    /* Changing the user resets the death signal. It is requested again, and poll() notices a
     * parent that has died before that. */
    set_limits(l);
    if (setgroups(kvm ? 1 : 0, &kvm) < 0 || setresgid(l->uid, l->uid, l->uid) < 0 ||
        setresuid(l->uid, l->uid, l->uid) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        fail_child("cannot give up privileges");
    if (poll(&dead, 1, 0) != 0)
        _exit(127);
}

static _Noreturn void run_child(const struct qemu_launch *l, const struct command *c, int parent,
                                const int trees[2])
{
    static char *const environment[] = {(char *)"PATH=/usr/bin", (char *)"HOME=/", NULL};
    int own = fcntl(parent, F_DUPFD_CLOEXEC, FD_ASIDE);
    int network = l->network_namespace ? open(l->network_namespace, O_RDONLY | O_CLOEXEC) : -1;
    if (l->cgroup && cgroup_enter(l->cgroup) < 0)
        fail_child("cannot enter the cgroup");
    if (inherited_yield_memory() < 0)
        fail_child("cannot set the score for the OOM killer");
    if (l->network_namespace && setns(network, CLONE_NEWNET) < 0)
        fail_child("cannot enter the sandbox's network");
    make_root(l, trees);
    place_fds(l);
    become_nobody(l, own);
    if (close_range(FD_END, ~0U, 0) < 0)
        fail_child("close_range");
    execve(l->path, (char *const *)c->argv, environment);
    fail_child(l->path);
}

/* Call this while this process is in the mount namespace in which the file was opened. */
static int clone_tree(int file)
{
    return open_tree(file, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
}

int qemu_start(struct process *out, const struct qemu_launch *l, lrun_error *err)
{
    struct command command = {0};
    cleanup_close int self = pidfd_open(getpid(), 0);
    cleanup_close int kernel = clone_tree(l->files->kernel);
    cleanup_close int initramfs = clone_tree(l->files->initramfs);
    make_command(&command, l);
    pid_t pid = self < 0 || kernel < 0 || initramfs < 0
                    ? -1
                    : process_clone(out, CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS |
                                             (l->network_namespace ? 0 : CLONE_NEWNET));
    if (pid < 0)
        return error_errno(err, LRUN_START_FAILED, "qemu.start", errno,
                           "cannot make the VM's process");
    if (pid == 0) {
        /* Failures before the console is in place are reported there, too. */
        place(l->console, STDERR_FILENO);
        const int trees[2] = {kernel, initramfs};
        run_child(l, &command, self, trees);
    }
    return 0;
}
