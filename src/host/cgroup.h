/* SPDX-License-Identifier: MIT */
/*
 * One cgroup per sandbox, `light-runner/<id>`, with the run's limits on it. All processes of the
 * sandbox are in it, in every tier, including the OCI runtime. So we set the limits and read the
 * usage ourselves, and no runtime's cgroup driver is involved.
 *
 * v1 has one folder per controller (memory, cpu, cpuacct, pids, freezer, hugetlb, cpuset), v2 a
 * single one. The table in cgroup.c describes this difference.
 */
#ifndef HOST_CGROUP_H
#define HOST_CGROUP_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CGROUP_ROOT   "/sys/fs/cgroup"
#define CGROUP_PARENT "light-runner"

enum cgroup_mode {
    CGROUP_NONE, /* no usable hierarchy */
    CGROUP_V1,   /* also "hybrid": controllers on v1, an empty v2 beside them */
    CGROUP_V2,
};

/* The purposes of a cgroup; used as a set. */
enum cgroup_purpose {
    CGROUP_MEMORY = 1,
    CGROUP_CPUS = 2,
    CGROUP_PIDS = 4,
    CGROUP_LIMITS = CGROUP_MEMORY | CGROUP_CPUS | CGROUP_PIDS,
    /* v1 has hierarchies for these; in v2 every cgroup has them. */
    CGROUP_CPU_USAGE = 8,
    CGROUP_FREEZING = 16,
    /* Huge pages come from a pool that the administrator made, and the limit on memory does not
     * count them: a run gets none. Left out if the kernel lacks the controller, or if it was not
     * delegated to the user: the seccomp filter forbids huge pages too. */
    CGROUP_HUGE_PAGES = 32,
    /* The run may use every processor of the machine. It has a cpuset because a JVM looks for
     * its limits in v1 cgroups only if it sees this controller too. Left out if the machine cannot
     * have it, and in v2, which does not need it. */
    CGROUP_CPUSET = 64,
    CGROUP_ALL = 127,
    /* The controllers that a program in the sandbox sees. */
    CGROUP_SHOWN = CGROUP_LIMITS | CGROUP_CPU_USAGE | CGROUP_CPUSET,
};

struct cgroup_limits {
    uint64_t memory_bytes; /* swap is not allowed at all */
    double cpus;
    unsigned pids;
    unsigned leave_out; /* purposes that the cgroup does not have (host/delegation.h decides) */
};

/* Converts a number of processors to microseconds per CGROUP_PERIOD_US. */
enum { CGROUP_PERIOD_US = 100000 };
uint64_t cgroup_cpu_us(double cpus);

struct cgroup_usage {
    uint64_t cpu_us, user_us, system_us;
    uint64_t peak_memory_bytes;
    uint64_t peak_pids; /* 0: the kernel does not say */
    uint64_t oom_kills;
};

struct cgroup;

/* Returns the hierarchy that is mounted at `root` (CGROUP_ROOT except in tests). */
enum cgroup_mode cgroup_detect(const char *root);

/*
 * Makes the cgroup with its limits. `root` is borrowed for as long as the cgroup lives. A limit
 * that the machine cannot enforce is an error; it is never dropped. Errors: CONTAINER_START_FAILED.
 */
int cgroup_create(struct cgroup **out, const char *root, const char *id,
                  const struct cgroup_limits *limits, lrun_error *err);

/*
 * Opens the cgroup that another program made for a process, to read its usage. Its path must
 * contain `marker`, so that it is not the cgroup of a new process with the same number.
 * cgroup_destroy() only closes it. Returns 0, or -1 + errno.
 */
int cgroup_open_of(struct cgroup **out, const char *root, pid_t pid, const char *marker);

/*
 * Returns an fd, owned by the caller, that becomes readable when memory may have run out, and once
 * the cgroup is removed. Ask cgroup_ran_out() before the cgroup is removed. Returns -1 + errno on
 * failure.
 */
int cgroup_watch_memory(const struct cgroup *c);

/*
 * Takes the events of `watch`. Returns whether memory has run out since `watch` was made. If so, it
 * also reads the usage, because the cgroup may soon be gone.
 */
bool cgroup_ran_out(const struct cgroup *c, int watch, struct cgroup_usage *usage);

/*
 * Mounts the cgroup, read-only, at an empty folder, as a sandbox sees it at /sys/fs/cgroup. In v1
 * the folder gets one folder for each controller of CGROUP_SHOWN. The mount shows nothing around
 * the cgroup: in a cgroup namespace that begins at the cgroup, it is the root of everything.
 * `names` gets the folders' names, and NULL after the last. v2 has one name, "", which is `at`
 * itself. Returns false if nothing was mounted, because there is no cgroup or because this mount
 * namespace cannot have it.
 */
enum { CGROUP_SHOWN_MAX = 7 };
bool cgroup_show(const struct cgroup *c, const char *at, const char *names[CGROUP_SHOWN_MAX + 1]);

/* Changes the share of the processors that the cgroup was made with. */
int cgroup_set_cpus(const struct cgroup *c, double cpus, lrun_error *err);

/* Takes that share away until the next cgroup_set_cpus(): only the limits of the cgroups above
 * apply. */
int cgroup_lift_cpus(const struct cgroup *c, lrun_error *err);

/* Returns the folder in which a process can begin (process_clone_into()), borrowed; -1: the process
 * has to move itself into the cgroup. */
int cgroup_birthplace(const struct cgroup *c);

/* Moves the calling process into the cgroup. For a forked child before exec, so it allocates
 * nothing. Returns 0, or -1 + errno. */
int cgroup_enter(const struct cgroup *c);

/* Freezes or thaws everything in the cgroup, and waits until that is done. Returns 0, or -1 + errno
 * (ETIMEDOUT). */
int cgroup_freeze(const struct cgroup *c, bool on);

/* Returns whether another program has removed the cgroup, so that there is nothing left to read. */
bool cgroup_is_gone(const struct cgroup *c);

/* Reads only the CPU time, which takes one read. Returns 0; -1 if nothing counts it, or the cgroup
 * is gone. */
int cgroup_read_cpu(const struct cgroup *c, uint64_t *us);

/* Reads what the whole sandbox has used so far. */
void cgroup_read_usage(const struct cgroup *c, struct cgroup_usage *out);

/* Removes the cgroup (waits up to 2 s for dying members) and frees it. Accepts NULL. */
void cgroup_destroy(struct cgroup *c);

/*
 * Removes the cgroups of runs whose supervisor was killed: cgroups without a process, older than
 * min_age_ms (a cgroup that was just made is still empty). Safe at any time, also for several
 * callers at once. Returns the number of runs that had something to remove.
 */
unsigned cgroup_reap(const char *root, int64_t min_age_ms);

#endif
