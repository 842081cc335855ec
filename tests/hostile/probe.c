/* SPDX-License-Identifier: MIT */
/*
 * Tries one system call from within a sandbox and says how it went: "NAME allowed", "NAME refused
 * ERRNO" or "NAME odd ERRNO". Refused is EPERM, EACCES or ENOSYS and nothing else, unless the table
 * names another errno: a call that fails because its arguments are wrong would prove nothing, so
 * they are good ones, yet do no harm where the call goes through after all. Some take the opposite
 * way: their arguments are wrong in a way that the kernel answers with an errno of its own, so that
 * the filter's answer is told from that of a kernel without the feature.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/aio_abi.h>
#include <linux/bpf.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/keyctl.h>
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <linux/reboot.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/acct.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/quota.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static long try_mount(void)
{
    return mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
}

static long try_umount(void)
{
    return umount2("/proc", MNT_DETACH);
}

static long try_unshare_user(void)
{
    return unshare(CLONE_NEWUSER);
}

static long try_unshare_mount(void)
{
    return unshare(CLONE_NEWNS);
}

static long try_unshare_net(void)
{
    return unshare(CLONE_NEWNET);
}

static long try_clone_user(void)
{
    long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid == 0)
        _exit(0);
    return pid;
}

static long try_setns(void)
{
    int fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    return fd < 0 ? fd : setns(fd, CLONE_NEWNS);
}

static long try_keyctl(void)
{
    return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 1);
}

static long try_add_key(void)
{
    return syscall(SYS_add_key, "user", "probe", "x", 1, KEY_SPEC_PROCESS_KEYRING);
}

static long try_request_key(void)
{
    return syscall(SYS_request_key, "user", "probe", NULL, KEY_SPEC_PROCESS_KEYRING);
}

static long try_bpf(void)
{
    union bpf_attr attr = {
        .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
    return syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
}

static long try_perf_event_open(void)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_SOFTWARE, .size = sizeof(attr), .config = PERF_COUNT_SW_TASK_CLOCK};
    return syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static long try_kexec_load(void)
{
    return syscall(SYS_kexec_load, 0UL, 0UL, NULL, 0UL);
}

static long try_init_module(void)
{
    return syscall(SYS_init_module, "", 0UL, "");
}

static long try_reboot(void)
{
    return syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_CAD_OFF,
                   NULL);
}

static long try_swapon(void)
{
    return swapon("/app/probe", 0);
}

static long try_mknod_block(void)
{
    return mknod("/tmp/block", S_IFBLK | 0600, makedev(7, 0));
}

static long try_mknod_char(void)
{
    return mknod("/tmp/char", S_IFCHR | 0600, makedev(1, 3));
}

static long try_chroot(void)
{
    return chroot("/tmp");
}

static long try_pivot_root(void)
{
    return syscall(SYS_pivot_root, "/", "/");
}

static long try_sethostname(void)
{
    return sethostname("probe", 5);
}

static long try_settimeofday(void)
{
    struct timeval now;
    gettimeofday(&now, NULL);
    return settimeofday(&now, NULL);
}

static long try_iopl(void)
{
    return iopl(3);
}

static long try_ptrace_init(void)
{
    return ptrace(PTRACE_SEIZE, 1, NULL, NULL);
}

static long try_open_by_handle_at(void)
{
    struct {
        struct file_handle head;
        unsigned char bytes[8];
    } handle = {.head = {.handle_bytes = 8, .handle_type = 1}, .bytes = {2}};
    int root = open("/", O_RDONLY | O_CLOEXEC);
    return open_by_handle_at(root, &handle.head, O_RDONLY);
}

static long try_userfaultfd(void)
{
    return syscall(SYS_userfaultfd, O_CLOEXEC);
}

static long try_process_vm_readv_init(void)
{
    char byte;
    struct iovec here = {&byte, 1}, there = {(void *)0x400000, 1};
    return process_vm_readv(1, &here, 1, &there, 1, 0);
}

static long try_raw_socket(void)
{
    return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static long try_packet_socket(void)
{
    return socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
}

static long try_quotactl(void)
{
    return quotactl(QCMD(Q_SYNC, USRQUOTA), "/dev/null", 0, NULL);
}

static long try_acct(void)
{
    return acct(NULL);
}

static long try_syslog(void)
{
    char text[256];
    return klogctl(3, text, sizeof(text));
}

static long try_setcap_xattr(void)
{
    /* VFS_CAP_REVISION_2 with CAP_SYS_ADMIN permitted and effective. */
    static const unsigned caps[] = {0x02000001, 1U << 21, 0, 0, 0};
    close(open("/tmp/caps", O_CREAT | O_WRONLY | O_CLOEXEC, 0755));
    return setxattr("/tmp/caps", "security.capability", caps, sizeof(caps), 0);
}

static long try_fsopen(void)
{
    return syscall(SYS_fsopen, "tmpfs", 0);
}

static long try_move_mount(void)
{
    return syscall(SYS_move_mount, AT_FDCWD, "/proc", AT_FDCWD, "/tmp", 0);
}

static long try_nice_up(void)
{
    return setpriority(PRIO_PROCESS, 0, -10);
}

static long try_rlimit_up(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_max++;
    return setrlimit(RLIMIT_NOFILE, &limit);
}

static long try_pidfd_getfd(void)
{
    int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    return fd < 0 ? fd : syscall(SYS_pidfd_getfd, fd, 1, 0);
}

static long try_io_setup(void)
{
    aio_context_t context = 0;
    return syscall(SYS_io_setup, 1, &context);
}

/* EINVAL where they are there: there is no such context. */

static long try_io_submit(void)
{
    return syscall(SYS_io_submit, 0UL, 0L, NULL);
}

static long try_io_getevents(void)
{
    return syscall(SYS_io_getevents, 0UL, 0L, 0L, NULL, NULL);
}

static long try_io_pgetevents(void)
{
    return syscall(SYS_io_pgetevents, 0UL, 0L, 0L, NULL, NULL, NULL);
}

static long try_io_cancel(void)
{
    struct iocb block = {0};
    struct io_event event;
    return syscall(SYS_io_cancel, 0UL, &block, &event);
}

static long try_io_destroy(void)
{
    return syscall(SYS_io_destroy, 0UL);
}

/* No kernel has pages of 2^62 bytes, and none says ENOMEM for that. */
enum { NO_SIZE = 62 << MAP_HUGE_SHIFT };

static long try_huge_mmap(void)
{
    void *p = mmap(NULL, 1 << 21, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | (int)NO_SIZE, -1, 0);
    return p == MAP_FAILED ? -1 : 0;
}

static long try_huge_memfd(void)
{
    return memfd_create("probe", MFD_HUGETLB | (unsigned)NO_SIZE);
}

static long try_huge_shmget(void)
{
    return shmget(IPC_PRIVATE, 1 << 21, IPC_CREAT | 0600 | SHM_HUGETLB | (int)NO_SIZE);
}

/* EBADF where it is done. */
static long try_syncfs(void)
{
    return syncfs(-1);
}

/* The counterpart: what every program needs. */

static long try_getpid(void)
{
    return getpid();
}

static long try_fork(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid < 0 ? -1 : waitpid(pid, NULL, 0);
}

static long try_socket_unix(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static long try_socket_inet(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static long try_socket_inet6(void)
{
    return socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static long try_socket_netlink(void)
{
    return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
}

static long try_socketpair(void)
{
    int pair[2];
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
}

static long try_memfd(void)
{
    return memfd_create("probe", MFD_CLOEXEC);
}

static long try_shmget(void)
{
    int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
    return id < 0 ? id : shmctl(id, IPC_RMID, NULL);
}

static long try_fsync(void)
{
    int fd = open("/tmp/synced", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    return fd < 0 ? fd : fsync(fd);
}

static long try_mmap_exec(void)
{
    void *p =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? -1 : 0;
}

static long try_chown(void)
{
    close(open("/tmp/owned", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    return chown("/tmp/owned", 1000, 1000);
}

static long try_setuid(void)
{
    return setuid(65534);
}

static long try_setuid_root(void)
{
    return setresgid(0, 0, 0) < 0 ? -1 : setresuid(0, 0, 0);
}

/* What can be traced: so it is not that nothing can. */
static long try_trace_child(void)
{
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    long result = pid < 0 ? -1 : ptrace(PTRACE_SEIZE, pid, NULL, NULL);
    int number = errno;
    if (pid > 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    errno = number;
    return result;
}

static long try_kill_self_0(void)
{
    return kill(getpid(), 0);
}

static const struct {
    const char *name;
    long (*function)(void);
    int refusal; /* the errno of a refusal; 0: one of the usual three */
} probes[] = {
#define PROBE(name)                                                                                \
    {                                                                                              \
#name, try_##name, 0                                                                       \
    }
#define PROBE_FOR(name, errno)                                                                     \
    {                                                                                              \
#name, try_##name, errno                                                                   \
    }
    PROBE(mount),
    PROBE(umount),
    PROBE(unshare_user),
    PROBE(unshare_mount),
    PROBE(unshare_net),
    PROBE(clone_user),
    PROBE(setns),
    PROBE(keyctl),
    PROBE(add_key),
    PROBE(request_key),
    PROBE(bpf),
    PROBE(perf_event_open),
    PROBE(kexec_load),
    PROBE(init_module),
    PROBE(reboot),
    PROBE(swapon),
    PROBE(mknod_block),
    PROBE(mknod_char),
    PROBE(chroot),
    PROBE(pivot_root),
    PROBE(sethostname),
    PROBE(settimeofday),
    PROBE(iopl),
    PROBE(ptrace_init),
    PROBE(open_by_handle_at),
    PROBE(userfaultfd),
    PROBE(process_vm_readv_init),
    PROBE(raw_socket),
    PROBE_FOR(packet_socket, EAFNOSUPPORT),
    PROBE(quotactl),
    PROBE(acct),
    PROBE(syslog),
    PROBE(setcap_xattr),
    PROBE(fsopen),
    PROBE(move_mount),
    PROBE(nice_up),
    PROBE(rlimit_up),
    PROBE(pidfd_getfd),
    PROBE(io_setup),
    PROBE(io_submit),
    PROBE(io_getevents),
    PROBE(io_pgetevents),
    PROBE(io_cancel),
    PROBE(io_destroy),
    PROBE_FOR(huge_mmap, ENOMEM),
    PROBE_FOR(huge_memfd, ENOMEM),
    PROBE_FOR(huge_shmget, ENOMEM),
    PROBE(syncfs),
    PROBE(getpid),
    PROBE(fork),
    PROBE(socket_unix),
    PROBE(socket_inet),
    PROBE(socket_inet6),
    PROBE(socket_netlink),
    PROBE(socketpair),
    PROBE(memfd),
    PROBE(shmget),
    PROBE(fsync),
    PROBE(mmap_exec),
    PROBE(chown),
    PROBE(setuid),
    PROBE(setuid_root),
    PROBE(trace_child),
    PROBE(kill_self_0),
};

static bool is_refusal(int number, int refusal)
{
    return refusal ? number == refusal : number == EPERM || number == EACCES || number == ENOSYS;
}

static void print_open_fds(void)
{
    char line[8192] = "fds";
    for (int fd = 0; fd < 1024; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            snprintf(line + strlen(line), sizeof(line) - strlen(line), " %d", fd);
    }
    puts(line);
}

/*
 * "WORD NUMBER passed" or "WORD NUMBER ERRNO". The flag 0x10 does not exist: a kernel that gets to see the call says EINVAL
 * before it looks for the family, so that also a family that this kernel does not have is seen to pass.
 */
static void print_call(const char *word, int number, long result)
{
    if (result < 0 && errno == EINVAL)
        printf("%s %d passed\n", word, number);
    else
        printf("%s %d %s\n", word, number, result < 0 ? strerrorname_np(errno) : "made");
}

static void print_families(void)
{
    enum { NO_FLAG = 0x10, FAMILIES = 46, PROTOCOLS = 32 };
    int pair[2];
    for (int n = -1; n <= FAMILIES; n++) {
        print_call("family", n, socket(n, SOCK_STREAM | NO_FLAG, 0));
        print_call("pair", n, socketpair(n, SOCK_STREAM | NO_FLAG, 0, pair));
        /* The kernel takes the lower half of the register alone. */
        print_call("long", n,
                   syscall(SYS_socket, (1UL << 32) | (unsigned)n, SOCK_STREAM | NO_FLAG, 0));
    }
    for (int n = 0; n < PROTOCOLS; n++) {
        print_call("netlink", n, socket(AF_NETLINK, SOCK_RAW | NO_FLAG, n));
        print_call("longlink", n,
                   syscall(SYS_socket, AF_NETLINK, SOCK_RAW | NO_FLAG, (1UL << 32) | (unsigned)n));
    }
}

/* 1: the file has bytes that have no place on the disk yet; 0: it has none; -1: that cannot be seen here. */
static int is_unwritten(int fd)
{
    static union {
        struct fiemap map;
        char room[sizeof(struct fiemap) + 64 * sizeof(struct fiemap_extent)];
    } u;
    u.map = (struct fiemap){.fm_length = FIEMAP_MAX_OFFSET, .fm_extent_count = 64};
    if (ioctl(fd, FS_IOC_FIEMAP, &u.map) < 0 || u.map.fm_mapped_extents == 0)
        return -1;
    for (unsigned i = 0; i < u.map.fm_mapped_extents; i++)
        if (u.map.fm_extents[i].fe_flags & FIEMAP_EXTENT_DELALLOC)
            return 1;
    return 0;
}

/*
 * "sync skipped", "sync done" or "sync unknown". What is new in a file has a place on the disk after a real sync(). As the
 * kernel may have written it by itself, it takes several files to say so.
 */
static void print_sync(void)
{
    static char block[65536];
    const char *verdict = "unknown";
    memset(block, 1, sizeof(block));
    for (int i = 0; i < 20 && strcmp(verdict, "skipped") != 0; i++) {
        int fd = open("synced", O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0644);
        bool new =
            write(fd, block, sizeof(block)) == (ssize_t)sizeof(block) && is_unwritten(fd) == 1;
        sync();
        if (new)
            verdict = is_unwritten(fd) == 1 ? "skipped" : "done";
        close(fd);
    }
    unlink("synced");
    printf("sync %s\n", verdict);
}

/* "terminal NAME OWNER" for a terminal that an ordinary user opens, or "terminal - ERRNO". */
static void print_terminal(void)
{
    enum { USER = 1000 };
    struct stat st;
    int slave = -1;
    const char *name = NULL;
    if (setgroups(0, NULL) == 0 && setgid(USER) == 0 && setuid(USER) == 0) {
        int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0 &&
            (name = ptsname(master)) != NULL)
            slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    }
    if (slave >= 0 && isatty(slave) && fstat(slave, &st) == 0)
        printf("terminal %s %u\n", name, st.st_uid);
    else
        printf("terminal - %s\n", strerrorname_np(errno));
}

static const struct {
    const char *name;
    void (*function)(void);
} reports[] = {{"fds", print_open_fds},
               {"families", print_families},
               {"sync", print_sync},
               {"terminal", print_terminal}};

static bool report(const char *name)
{
    for (size_t i = 0; i < sizeof(reports) / sizeof(reports[0]); i++) {
        if (strcmp(name, reports[i].name) != 0)
            continue;
        reports[i].function();
        return true;
    }
    return false;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (report(argv[i]))
            continue;
        size_t p = 0;
        while (p < sizeof(probes) / sizeof(probes[0]) && strcmp(argv[i], probes[p].name) != 0)
            p++;
        if (p == sizeof(probes) / sizeof(probes[0])) {
            printf("%s unknown\n", argv[i]);
            return 2;
        }
        errno = 0;
        if (probes[p].function() >= 0)
            printf("%s allowed\n", argv[i]);
        else
            printf("%s %s %s\n", argv[i], is_refusal(errno, probes[p].refusal) ? "refused" : "odd",
                   strerrorname_np(errno));
        fflush(stdout);
    }
    return 0;
}
