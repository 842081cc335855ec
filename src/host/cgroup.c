/* SPDX-License-Identifier: MIT */
#include "host/cgroup.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "host/mount.h"
#include "host/walled.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>

enum { REAP_THAWED_MS = 2000, REAP_NEWBORN_MS = 100 };
enum { CONTROLLERS_MAX = 7, FREEZE_TIMEOUT_MS = 5000 };

struct controller {
    const char *name; /* the folder's name */
    unsigned purposes;
};

/* The controllers of v1, each a folder of its own. v2 has one folder, named "" here. */
static const struct controller v1_controllers[] = {
    {"memory", CGROUP_MEMORY}, {"cpu", CGROUP_CPUS},         {"cpuacct", CGROUP_CPU_USAGE},
    {"pids", CGROUP_PIDS},     {"freezer", CGROUP_FREEZING}, {"hugetlb", CGROUP_HUGE_PAGES},
    {"cpuset", CGROUP_CPUSET},
};
static const struct controller v2_controllers[] = {{"", CGROUP_ALL}};

enum { MEMORY, CPU, CPUACCT, PIDS, FREEZER, HUGETLB };

struct cgroup {
    enum cgroup_mode mode;
    const struct controller *controllers;
    size_t count;
    unsigned purposes;
    int parents[CONTROLLERS_MAX]; /* fd of <root>/<controller>/light-runner */
    int groups[CONTROLLERS_MAX];  /* fd of <id> below it */
    const char *root;
    char id[64];
};

/* -1: the cgroup does not have that purpose. */
static int group_of(const struct cgroup *c, int which, unsigned purpose)
{
    return c->purposes & purpose ? c->groups[c->mode == CGROUP_V2 ? 0 : which] : -1;
}

enum cgroup_mode cgroup_detect(const char *root)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/cgroup.controllers", root);
    if (access(path, F_OK) == 0)
        return CGROUP_V2;
    snprintf(path, sizeof(path), "%s/memory", root);
    return access(path, F_OK) == 0 ? CGROUP_V1 : CGROUP_NONE;
}

static int open_folder(int dirfd, const char *name)
{
    return openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

/* Makes and opens a folder below dirfd. Other users must not open it: a process that has it open may
 * lock it. */
static int make_folder(int dirfd, const char *name)
{
    return mkdirat(dirfd, name, 0711) < 0 ? -1 : open_folder(dirfd, name);
}

/* Opens the folder that all runs share, which the first run makes. */
static int open_parent(int dirfd)
{
    int fd = open_folder(dirfd, CGROUP_PARENT);
    if (fd < 0 && errno == ENOENT)
        fd = make_folder(dirfd, CGROUP_PARENT);
    /* Another run may have made it meanwhile. */
    return fd < 0 && errno == EEXIST ? open_folder(dirfd, CGROUP_PARENT) : fd;
}

static bool is_still(int dirfd, const char *name, int fd)
{
    struct stat a, b;
    return fstat(fd, &a) == 0 && fstatat(dirfd, name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
           a.st_ino == b.st_ino;
}

/*
 * Makes a run's cgroup and takes a shared lock on it, so that reap knows that even an empty cgroup
 * is in use. If a reap came in between, it took the cgroup for a leftover and removed it: try
 * again.
 */
static int make_held(int dirfd, const char *name)
{
    for (int tries = 0; tries < 100; tries++) {
        int fd = make_folder(dirfd, name);
        if (fd < 0 && errno == ENOENT)
            continue;
        if (fd < 0)
            return -1;
        while (flock(fd, LOCK_SH) < 0 && errno == EINTR)
            continue;
        if (is_still(dirfd, name, fd))
            return fd;
        close(fd);
    }
    errno = EBUSY;
    return -1;
}

/* v2 passes controllers down level by level, from the root to our parent folder. */
static int enable_v2_controllers(int dirfd, unsigned purposes, lrun_error *err)
{
    static const struct controller wanted[] = {{"+memory", CGROUP_MEMORY},
                                               {"+pids", CGROUP_PIDS},
                                               {"+cpu", CGROUP_CPUS},
                                               {"+hugetlb", CGROUP_HUGE_PAGES}};
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        if ((purposes & wanted[i].purposes) &&
            io_write_control(dirfd, "cgroup.subtree_control", wanted[i].name) < 0)
            return error_errno(err, LRUN_START_FAILED, "cgroup.create", errno,
                               "cannot enable the cgroup controller '%s'", wanted[i].name + 1);
    return 0;
}

/* Returns whether cgroups with an optional controller can be made below `root`. */
static bool offers(const struct cgroup *c, const char *root, const char *name)
{
    char path[512];
    if (c->mode == CGROUP_V1) {
        /* Without this file, the folder is only a place where the hierarchy could be mounted. */
        snprintf(path, sizeof(path), "%s/%s/cgroup.procs", root, name);
        if (access(path, F_OK) < 0)
            return false;
        snprintf(path, sizeof(path), "%s/%s/%s", root, name, CGROUP_PARENT);
        if (access(path, W_OK) == 0)
            return true;
        snprintf(path, sizeof(path), "%s/%s", root, name);
        return access(path, W_OK) == 0;
    }
    snprintf(path, sizeof(path), "%s/cgroup.controllers", root);
    cleanup_free char *list = io_read_file_at(AT_FDCWD, path, 4096, NULL);
    char *rest = NULL;
    for (char *word = list ? strtok_r(list, " \n", &rest) : NULL; word;
         word = strtok_r(NULL, " \n", &rest))
        if (strcmp(word, name) == 0)
            return true;
    return false;
}

static int hint_read_only(const char *path, lrun_error *err)
{
    return walled_in_container()
               ? error_hint(err, "mount -o remount,rw,bind %s; or %s", path, walled_hint())
               : error_hint(err, "mount -o remount,rw,bind %s", path);
}

static void drop_what_is_missing(struct cgroup *c, const char *root)
{
    if (!offers(c, root, "hugetlb"))
        c->purposes &= ~(unsigned)CGROUP_HUGE_PAGES;
    if (c->mode == CGROUP_V2 || !offers(c, root, "cpuset"))
        c->purposes &= ~(unsigned)CGROUP_CPUSET;
}

/* Gives our parent folder the setting of the cgroup above it, if it has another one, and then a new
 * cgroup the setting of our parent folder. */
static bool hand_down(int top, int parent, int group, const char *file)
{
    cleanup_free char *wanted = io_read_file_at(top, file, 4096, NULL);
    cleanup_free char *now = io_read_file_at(parent, file, 4096, NULL);
    if (!wanted || !now)
        return false;
    if (strcmp(wanted, now) != 0 && io_write_control(parent, file, wanted) < 0)
        return false;
    return io_write_control(group, file, wanted) == 0;
}

/* A new cpuset has no processors and no memory nodes, and accepts no process until it has both. */
static bool fill_cpuset(int top, int parent, int group)
{
    return hand_down(top, parent, group, "cpuset.cpus") &&
           hand_down(top, parent, group, "cpuset.mems");
}

/* Leaves out a controller that the run can do without. */
static void drop_group(struct cgroup *c, size_t i)
{
    unlinkat(c->parents[i], c->id, AT_REMOVEDIR);
    cleanup_close_fd(&c->groups[i]);
    cleanup_close_fd(&c->parents[i]);
    c->purposes &= ~c->controllers[i].purposes;
}

static int open_groups(struct cgroup *c, const char *root, lrun_error *err)
{
    drop_what_is_missing(c, root);
    for (size_t i = 0; i < c->count; i++) {
        char path[512];
        if (!(c->controllers[i].purposes & c->purposes))
            continue;
        snprintf(path, sizeof(path), "%s/%s", root, c->controllers[i].name);
        cleanup_close int top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        /* In v1 the folder of a controller may exist although nothing is mounted on it. */
        if (top < 0 || (c->mode == CGROUP_V1 && faccessat(top, "cgroup.procs", F_OK, 0) < 0)) {
            error_errno(err, LRUN_START_FAILED, "cgroup.create", errno,
                        "the cgroup controller '%s' is not there", c->controllers[i].name);
            return error_hint(err, "mount it, or boot with the unified hierarchy");
        }
        if (c->mode == CGROUP_V2 && enable_v2_controllers(top, c->purposes, err) < 0)
            return -1;
        c->parents[i] = open_parent(top);
        if (c->parents[i] < 0) {
            bool read_only = errno == EROFS;
            error_errno(err, LRUN_START_FAILED, "cgroup.create", errno,
                        "cannot make the cgroup %s/%s", path, CGROUP_PARENT);
            return read_only ? hint_read_only(path, err) : error_hint(err, "run as root");
        }
        if (c->mode == CGROUP_V2 && enable_v2_controllers(c->parents[i], c->purposes, err) < 0)
            return -1;
        c->groups[i] = make_held(c->parents[i], c->id);
        if (c->groups[i] < 0) {
            bool read_only = errno == EROFS;
            error_errno(err, LRUN_START_FAILED, "cgroup.create", errno,
                        "cannot make the cgroup %s/%s/%s", path, CGROUP_PARENT, c->id);
            return read_only ? hint_read_only(path, err) : -1;
        }
        /* Another cgroup of the machine may have exclusive processors. */
        if (c->controllers[i].purposes == CGROUP_CPUSET &&
            !fill_cpuset(top, c->parents[i], c->groups[i]))
            drop_group(c, i);
    }
    return 0;
}

/* If a limit is not asked for, dirfd is -1. */
static int write_limit(int dirfd, const char *file, const char *value, lrun_error *err)
{
    if (dirfd >= 0 && io_write_control(dirfd, file, value) < 0)
        return error_errno(err, LRUN_START_FAILED, "cgroup.create", errno,
                           "cannot set the limit %s = %s", file, value);
    return 0;
}

static bool has_swap(void)
{
    cleanup_free char *swaps = io_read_file_at(AT_FDCWD, "/proc/swaps", 65536, NULL);
    char *lines = swaps ? strchr(swaps, '\n') : NULL;
    return lines && lines[1] != '\0';
}

/* There is one file for each page size, and another one for reservations. */
static int forbid_huge_pages(int group, const char *files, lrun_error *err)
{
    cleanup_closedir DIR *list = group < 0 ? NULL : io_list(group);
    for (struct dirent *e; list && (e = readdir(list));)
        if (fnmatch(files, e->d_name, 0) == 0 && write_limit(group, e->d_name, "0", err) < 0)
            return -1;
    return 0;
}

uint64_t cgroup_cpu_us(double cpus)
{
    /* The kernel's smallest quota is 1 ms. */
    uint64_t quota_us = (uint64_t)(cpus * CGROUP_PERIOD_US);
    return quota_us < 1000 ? 1000 : quota_us;
}

int cgroup_set_cpus(const struct cgroup *c, double cpus, lrun_error *err)
{
    char quota[64];
    int fd = group_of(c, CPU, CGROUP_CPUS);
    if (c->mode == CGROUP_V2) {
        snprintf(quota, sizeof(quota), "%" PRIu64 " %d", cgroup_cpu_us(cpus), CGROUP_PERIOD_US);
        return write_limit(fd, "cpu.max", quota, err);
    }
    /* The period of a new cgroup is CGROUP_PERIOD_US. */
    snprintf(quota, sizeof(quota), "%" PRIu64, cgroup_cpu_us(cpus));
    return write_limit(fd, "cpu.cfs_quota_us", quota, err);
}

int cgroup_lift_cpus(const struct cgroup *c, lrun_error *err)
{
    int fd = group_of(c, CPU, CGROUP_CPUS);
    return c->mode == CGROUP_V2 ? write_limit(fd, "cpu.max", "max", err)
                                : write_limit(fd, "cpu.cfs_quota_us", "-1", err);
}

static int write_limits(struct cgroup *c, const struct cgroup_limits *limits, lrun_error *err)
{
    char memory[32], pids[32];
    snprintf(memory, sizeof(memory), "%" PRIu64, limits->memory_bytes);
    snprintf(pids, sizeof(pids), "%u", limits->pids);

    int memory_fd = group_of(c, MEMORY, CGROUP_MEMORY), pids_fd = group_of(c, PIDS, CGROUP_PIDS);
    if (c->mode == CGROUP_V2) {
        if (write_limit(memory_fd, "memory.max", memory, err) < 0 ||
            write_limit(pids_fd, "pids.max", pids, err) < 0 ||
            cgroup_set_cpus(c, limits->cpus, err) < 0)
            return -1;
        /* The file is missing if the kernel was built or booted without swap accounting. */
        if (memory_fd >= 0 && io_write_control(memory_fd, "memory.swap.max", "0") < 0 && has_swap())
            return error_errno(err, LRUN_START_FAILED, "cgroup.create", errno,
                               "cannot forbid swap, so memory would not be capped");
        return forbid_huge_pages(group_of(c, HUGETLB, CGROUP_HUGE_PAGES), "hugetlb.*.max", err);
    }
    if (write_limit(memory_fd, "memory.limit_in_bytes", memory, err) < 0 ||
        write_limit(pids_fd, "pids.max", pids, err) < 0 ||
        cgroup_set_cpus(c, limits->cpus, err) < 0)
        return -1;
    if (memory_fd >= 0 && io_write_control(memory_fd, "memory.memsw.limit_in_bytes", memory) < 0 &&
        has_swap() && io_write_control(memory_fd, "memory.swappiness", "0") < 0)
        return error_errno(err, LRUN_START_FAILED, "cgroup.create", errno,
                           "cannot forbid swap, so memory would not be capped");
    /* TCP buffers have a counter of their own, which counts nothing until it has a limit. */
    if (memory_fd >= 0 &&
        io_write_control(memory_fd, "memory.kmem.tcp.limit_in_bytes", memory) < 0 &&
        errno != ENOENT)
        return error_errno(err, LRUN_START_FAILED, "cgroup.create", errno,
                           "cannot set the limit memory.kmem.tcp.limit_in_bytes = %s", memory);
    return forbid_huge_pages(group_of(c, HUGETLB, CGROUP_HUGE_PAGES), "hugetlb.*.limit_in_bytes",
                             err);
}

/* Makes a cgroup with nothing open. An empty id: another program made the cgroup. */
static struct cgroup *new_cgroup(const char *root, const char *id)
{
    struct cgroup *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    snprintf(c->id, sizeof(c->id), "%s", id);
    c->root = root;
    c->purposes = CGROUP_ALL;
    for (size_t i = 0; i < CONTROLLERS_MAX; i++)
        c->parents[i] = c->groups[i] = -1;
    c->mode = cgroup_detect(root);
    c->controllers = c->mode == CGROUP_V2 ? v2_controllers : v1_controllers;
    c->count = c->mode == CGROUP_V2 ? 1 : sizeof(v1_controllers) / sizeof(v1_controllers[0]);
    return c;
}

int cgroup_create(struct cgroup **out, const char *root, const char *id,
                  const struct cgroup_limits *limits, lrun_error *err)
{
    struct cgroup *c = new_cgroup(root, id);
    if (!c)
        return error_oom(err, "cgroup.create");
    c->purposes = CGROUP_ALL & ~limits->leave_out;
    if (!(c->purposes & CGROUP_LIMITS))
        c->purposes = 0;
    if (c->mode == CGROUP_NONE && c->purposes) {
        free(c);
        error_set(err, LRUN_START_FAILED, "cgroup.create",
                  "no cgroup hierarchy at %s, so no limit can be enforced", root);
        return error_hint(err, "mount cgroup2 at %s", root);
    }
    if (open_groups(c, root, err) < 0 || write_limits(c, limits, err) < 0) {
        cgroup_destroy(c);
        return -1;
    }
    *out = c;
    return 0;
}

bool cgroup_show(const struct cgroup *c, const char *at, const char *names[CGROUP_SHOWN_MAX + 1])
{
    lrun_error ignored;
    size_t count = 0;
    for (size_t i = 0; i < c->count; i++) {
        char path[512];
        if (c->groups[i] < 0 || !(c->controllers[i].purposes & CGROUP_SHOWN))
            continue;
        snprintf(path, sizeof(path), "%s/%s", at, c->controllers[i].name);
        if (c->mode == CGROUP_V1 && mkdir(path, 0755) < 0)
            return false;
        if (mount_folder(c->groups[i], path, &ignored) == 0)
            names[count++] = c->controllers[i].name;
    }
    names[count] = NULL;
    return count > 0;
}

int cgroup_birthplace(const struct cgroup *c)
{
    return c->mode == CGROUP_V2 ? c->groups[0] : -1;
}

int cgroup_enter(const struct cgroup *c)
{
    /* "tasks" moves one thread, which is enough: the caller has only one. If a thread moves itself,
     * "tasks" does not take a lock that every fork on the machine waits for, while "cgroup.procs"
     * costs milliseconds. v2 has nothing like "tasks". */
    const char *file = c->mode == CGROUP_V2 ? "cgroup.procs" : "tasks";
    for (size_t i = 0; i < c->count; i++)
        if (c->groups[i] >= 0 && io_write_control(c->groups[i], file, "0") < 0)
            return -1;
    return 0;
}

static uint64_t read_keyed(int dirfd, const char *file, const char *key);

/* Returns whether the cgroup is frozen (`on`) or thawed (not `on`). */
static bool is_frozen(const struct cgroup *c, int group, bool on)
{
    if (c->mode == CGROUP_V2)
        return read_keyed(group, "cgroup.events", "frozen") == on;
    cleanup_free char *state = io_read_file_at(group, "freezer.state", 64, NULL);
    return state && strcmp(state, on ? "FROZEN\n" : "THAWED\n") == 0;
}

int cgroup_freeze(const struct cgroup *c, bool on)
{
    int group = group_of(c, FREEZER, CGROUP_FREEZING);
    if (group < 0) {
        errno = EOPNOTSUPP;
        return -1;
    }
    int rc = c->mode == CGROUP_V2
                 ? io_write_control(group, "cgroup.freeze", on ? "1" : "0")
                 : io_write_control(group, "freezer.state", on ? "FROZEN" : "THAWED");
    int64_t deadline = clock_ms() + FREEZE_TIMEOUT_MS;
    while (rc == 0 && !is_frozen(c, group, on)) {
        if (clock_ms() >= deadline) {
            errno = ETIMEDOUT;
            return -1;
        }
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
        /* v1 gives up on a task that could not freeze at that moment, and must be told again. */
        if (c->mode == CGROUP_V1 && on)
            rc = io_write_control(group, "freezer.state", "FROZEN");
    }
    return rc;
}

static uint64_t read_number(int dirfd, const char *file)
{
    cleanup_free char *text = dirfd < 0 ? NULL : io_read_file_at(dirfd, file, 4096, NULL);
    uint64_t value = 0;
    if (text) {
        text[strcspn(text, "\n")] = '\0';
        if (!text_parse_u64(text, &value))
            return 0;
    }
    return value;
}

/* Returns the number after "key " at the beginning of a line. */
static uint64_t read_keyed(int dirfd, const char *file, const char *key)
{
    cleanup_free char *text = dirfd < 0 ? NULL : io_read_file_at(dirfd, file, 65536, NULL);
    size_t length = strlen(key);
    for (char *line = text; line && *line;) {
        if (strncmp(line, key, length) == 0 && line[length] == ' ')
            return strtoull(line + length + 1, NULL, 10);
        line = strchr(line, '\n');
        if (line)
            line++;
    }
    return 0;
}

int cgroup_read_cpu(const struct cgroup *c, uint64_t *us)
{
    int cpu = group_of(c, CPUACCT, CGROUP_CPU_USAGE);
    const char *file = c->mode == CGROUP_V2 ? "cpu.stat" : "cpuacct.usage";
    if (cpu < 0 || faccessat(cpu, file, R_OK, 0) < 0)
        return -1;
    *us =
        c->mode == CGROUP_V2 ? read_keyed(cpu, file, "usage_usec") : read_number(cpu, file) / 1000;
    return 0;
}

void cgroup_read_usage(const struct cgroup *c, struct cgroup_usage *out)
{
    *out = (struct cgroup_usage){0};
    int memory = group_of(c, MEMORY, CGROUP_MEMORY), cpu = group_of(c, CPUACCT, CGROUP_CPU_USAGE);
    out->peak_pids = read_number(group_of(c, PIDS, CGROUP_PIDS), "pids.peak");
    if (c->mode == CGROUP_V2) {
        out->cpu_us = read_keyed(cpu, "cpu.stat", "usage_usec");
        out->user_us = read_keyed(cpu, "cpu.stat", "user_usec");
        out->system_us = read_keyed(cpu, "cpu.stat", "system_usec");
        out->peak_memory_bytes = read_number(memory, "memory.peak");
        out->oom_kills = read_keyed(memory, "memory.events", "oom_kill");
        return;
    }
    out->cpu_us = read_number(cpu, "cpuacct.usage") / 1000;
    out->user_us = read_number(cpu, "cpuacct.usage_user") / 1000;
    out->system_us = read_number(cpu, "cpuacct.usage_sys") / 1000;
    out->peak_memory_bytes = read_number(memory, "memory.max_usage_in_bytes");
    out->oom_kills = read_keyed(memory, "memory.oom_control", "oom_kill");
    if (!c->id[0])
        return;
    /* v1 counts the memory of cgroups below, but each OOM kill only in its own cgroup. runc
     * without root makes a cgroup in ours. */
    char nested[2 * sizeof(c->id)];
    snprintf(nested, sizeof(nested), "%s/memory.oom_control", c->id);
    out->oom_kills += read_keyed(memory, nested, "oom_kill");
}

/* No file of a removed cgroup can be opened. */
bool cgroup_is_gone(const struct cgroup *c)
{
    int memory = group_of(c, MEMORY, CGROUP_MEMORY);
    return faccessat(memory, c->mode == CGROUP_V2 ? "memory.events" : "memory.oom_control", R_OK,
                     0) < 0;
}

int cgroup_watch_memory(const struct cgroup *c)
{
    int memory = group_of(c, MEMORY, CGROUP_MEMORY);
    if (memory < 0) {
        errno = EOPNOTSUPP;
        return -1;
    }
    if (c->mode == CGROUP_V2) {
        char path[64];
        snprintf(path, sizeof(path), "/proc/self/fd/%d/memory.events", memory);
        cleanup_close int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        return fd >= 0 && inotify_add_watch(fd, path, IN_MODIFY) >= 0 ? steal_fd(&fd) : -1;
    }
    char order[32];
    cleanup_close int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    cleanup_close int control = openat(memory, "memory.oom_control", O_RDONLY | O_CLOEXEC);
    snprintf(order, sizeof(order), "%d %d", fd, control);
    return fd >= 0 && control >= 0 && io_write_control(memory, "cgroup.event_control", order) == 0
               ? steal_fd(&fd)
               : -1;
}

bool cgroup_ran_out(const struct cgroup *c, int watch, struct cgroup_usage *usage)
{
    char events[4096] __attribute__((aligned(8)));
    if (read(watch, events, sizeof(events)) <= 0 || cgroup_is_gone(c))
        return false;
    struct cgroup_usage now;
    cgroup_read_usage(c, &now);
    /* v1 signals only that memory ran out, and before it kills, so the count may still be 0. v2
     * also signals reclaimed memory. */
    if (c->mode == CGROUP_V1 && now.oom_kills == 0)
        now.oom_kills = 1;
    if (now.oom_kills == 0)
        return false;
    *usage = now;
    return true;
}

/* Returns the path after the second colon of "4:cpu,cpuacct:/some/path" if the line is for that
 * controller. v2's line is "0::/some/path". Writes to the line. */
static char *path_in_line(char *line, const char *controller)
{
    char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;
    if (!path)
        return NULL;
    *path++ = '\0';
    names++;
    if (*controller == '\0')
        return *names == '\0' ? path : NULL;
    char *rest = NULL;
    for (char *name = strtok_r(names, ",", &rest); name; name = strtok_r(NULL, ",", &rest))
        if (strcmp(name, controller) == 0)
            return path;
    return NULL;
}

static int open_existing(const char *root, const char *text, const char *controller,
                         const char *marker)
{
    cleanup_free char *copy = strdup(text);
    char *rest = NULL;
    for (char *line = copy ? strtok_r(copy, "\n", &rest) : NULL; line;
         line = strtok_r(NULL, "\n", &rest)) {
        const char *path = path_in_line(line, controller);
        char folder[1024];
        if (!path || !strstr(path, marker) || text_path_has_dotdot(path))
            continue;
        int n = snprintf(folder, sizeof(folder), "%s/%s%s", root, controller, path);
        return n > 0 && (size_t)n < sizeof(folder)
                   ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                   : -1;
    }
    errno = ENOENT;
    return -1;
}

int cgroup_open_of(struct cgroup **out, const char *root, pid_t pid, const char *marker)
{
    char file[64];
    snprintf(file, sizeof(file), "/proc/%d/cgroup", (int)pid);
    size_t length;
    cleanup_free char *text = io_read_file_at(AT_FDCWD, file, 64 * 1024, &length);
    struct cgroup *c = text ? new_cgroup(root, "") : NULL;
    if (!c)
        return -1;
    for (size_t i = 0; i < c->count; i++) {
        c->groups[i] = open_existing(root, text, c->controllers[i].name, marker);
        /* We can do without the number of processes. */
        if (c->groups[i] < 0 && (c->controllers[i].purposes & (CGROUP_MEMORY | CGROUP_CPU_USAGE))) {
            cgroup_destroy(c);
            errno = ENOENT;
            return -1;
        }
    }
    *out = c;
    return 0;
}

/* A process that has been waited for may still be counted for a moment. On a machine that is short
 * of processor time, a moment may be seconds. Only `reap` removes a cgroup that we leave. */
enum { REMOVAL_TIMEOUT = 10000 }; /* milliseconds */

static void remove_group(const struct cgroup *c, size_t i, int64_t deadline)
{
    while (unlinkat(c->parents[i], c->id, AT_REMOVEDIR) < 0 && errno == EBUSY &&
           clock_ms() < deadline)
        nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
}

void cgroup_destroy(struct cgroup *c)
{
    if (!c)
        return;
    int64_t deadline = clock_ms() + REMOVAL_TIMEOUT;
    for (size_t i = 0; i < c->count; i++) {
        /* The lock is held until the cgroup is gone, so that no reap touches it. */
        if (c->groups[i] >= 0 && c->parents[i] >= 0)
            remove_group(c, i, deadline);
        if (c->groups[i] >= 0)
            close(c->groups[i]);
        if (c->parents[i] >= 0)
            close(c->parents[i]);
    }
    free(c);
}

/* Locks a cgroup. Returns -1 if a supervisor holds it, which it does for as long as it lives.
 * Otherwise nobody else can lock the cgroup before the fd is closed. */
static int hold_unheld(int parent, const char *name)
{
    cleanup_close int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 ? steal_fd(&fd) : -1;
}

/* A frozen process does not die in v1, even if it was killed together with its supervisor. */
static bool thaw(int group)
{
    cleanup_free char *state = io_read_file_at(group, "freezer.state", 64, NULL);
    return state && strcmp(state, "THAWED\n") != 0 &&
           io_write_control(group, "freezer.state", "THAWED") == 0;
}

/* The processes of a cgroup that has just been thawed take a moment to end. */
static bool remove_thawed(int parent, const char *name, bool thawed)
{
    int64_t deadline = clock_ms() + (thawed ? REAP_THAWED_MS : 0);
    int rc;
    while ((rc = unlinkat(parent, name, AT_REMOVEDIR)) < 0 && errno == EBUSY &&
           clock_ms() < deadline)
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    return rc == 0;
}

/* Removes the cgroups of one hierarchy. Returns how many. */
static unsigned reap_hierarchy(int top, const char *hierarchy, int64_t min_age_ms)
{
    char path[512];
    unsigned removed = 0;
    int n = snprintf(path, sizeof(path), "%s/%s", hierarchy, CGROUP_PARENT);
    if (n < 0 || (size_t)n >= sizeof(path))
        return 0;
    int fd = openat(top, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    cleanup_closedir DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    for (struct dirent *e; d && (e = readdir(d));) {
        struct stat st;
        if (strncmp(e->d_name, CGROUP_PARENT "-", sizeof(CGROUP_PARENT)) != 0 ||
            fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
            continue;
        int64_t age_ms = (int64_t)(now.tv_sec - st.st_ctim.tv_sec) * 1000 +
                         (now.tv_nsec - st.st_ctim.tv_nsec) / 1000000;
        /* The kernel refuses (EBUSY) while there is a process in the cgroup or in the one that runc
         * makes in it. */
        char nested[2 * sizeof(e->d_name) + 1];
        snprintf(nested, sizeof(nested), "%s/%s", e->d_name, e->d_name);
        cleanup_close int group = age_ms < min_age_ms ? -1 : hold_unheld(fd, e->d_name);
        /* A cgroup that was just made gets a moment, so that its supervisor can lock it. */
        if (group >= 0 && age_ms < REAP_NEWBORN_MS) {
            cleanup_close_fd(&group);
            nanosleep(&(struct timespec){.tv_nsec = REAP_NEWBORN_MS * 1000000}, NULL);
            group = hold_unheld(fd, e->d_name);
        }
        if (group < 0)
            continue;
        bool thawed = thaw(group);
        (void)unlinkat(fd, nested, AT_REMOVEDIR);
        removed += remove_thawed(fd, e->d_name, thawed);
    }
    return removed;
}

unsigned cgroup_reap(const char *root, int64_t min_age_ms)
{
    cleanup_closedir DIR *top = opendir(root);
    if (!top)
        return 0;
    /* In v1 a run has a cgroup in each hierarchy and must be counted once. The freezer comes first,
     * because frozen processes keep their cgroups in the other hierarchies. */
    unsigned most = reap_hierarchy(dirfd(top), ".", min_age_ms);
    unsigned frozen = reap_hierarchy(dirfd(top), "freezer", min_age_ms);
    if (frozen > most)
        most = frozen;
    for (struct dirent *e; (e = readdir(top));) {
        unsigned removed =
            e->d_name[0] == '.' ? 0 : reap_hierarchy(dirfd(top), e->d_name, min_age_ms);
        if (removed > most)
            most = removed;
    }
    return most;
}
