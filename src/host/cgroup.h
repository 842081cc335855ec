/* SPDX-License-Identifier: MIT */
/*
 * One cgroup per sandbox, `light-runner/<id>`, with the run's limits on it. Everything of the
 * sandbox lives in it, the OCI runtime included, whatever the tier: the limits are ours to write
 * and the usage ours to read, and no runtime's own cgroup driver is involved.
 *
 * v1 has one folder per controller (memory, cpu, cpuacct, pids, freezer, hugetlb, cpuset), v2 a single one; the
 * table in cgroup.c is all that differs.
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

/* A set of what a cgroup is for. */
enum cgroup_purpose {
    CGROUP_MEMORY = 1,
    CGROUP_CPUS = 2,
    CGROUP_PIDS = 4,
    CGROUP_LIMITS = CGROUP_MEMORY | CGROUP_CPUS | CGROUP_PIDS,
    /* v1 has hierarchies for these; in v2 they come with every cgroup. */
    CGROUP_CPU_USAGE = 8,
    CGROUP_FREEZING = 16,
    /* Pages of a pool that the administrator has made, which the limit on memory does not count: a run gets none. Left
     * out where the kernel does not have the controller, or a user has not been handed it: the seccomp filter is there too. */
    CGROUP_HUGE_PAGES = 32,
    /* The run may use every processor of the machine. It has a cpuset because a JVM looks for its limits in cgroups of v1
     * only if it sees this controller, too. Left out where the machine cannot have it; v2 does without. */
    CGROUP_CPUSET = 64,
    CGROUP_ALL = 127,
    /* What a program in the sandbox sees. */
    CGROUP_SHOWN = CGROUP_LIMITS | CGROUP_CPU_USAGE | CGROUP_CPUSET,
};

struct cgroup_limits {
    uint64_t memory_bytes; /* of memory; swap is not allowed at all */
    double cpus;
    unsigned pids;
    unsigned leave_out; /* purposes that are not asked for (host/delegation.h decides) */
};

/* A number of processors, in microseconds of CGROUP_PERIOD_US. */
enum { CGROUP_PERIOD_US = 100000 };
uint64_t cgroup_cpu_us(double cpus);

struct cgroup_usage {
    uint64_t cpu_us, user_us, system_us;
    uint64_t peak_memory_bytes;
    uint64_t peak_pids; /* 0: the kernel does not say */
    uint64_t oom_kills;
};

struct cgroup;

/* Which hierarchy is mounted at `root` (CGROUP_ROOT outside of tests). */
enum cgroup_mode cgroup_detect(const char *root);

/*
 * Makes the cgroup with its limits. `root` is borrowed for as long as it lives. A limit that the
 * machine cannot enforce is an error, never dropped. Errors: CONTAINER_START_FAILED.
 */
int cgroup_create(struct cgroup **out, const char *root, const char *id,
                  const struct cgroup_limits *limits, lrun_error *err);

/*
 * The cgroup that somebody else has made for a process, to read its usage. Its path must hold `marker`, so that it
 * is not that of a process which has taken the number. cgroup_destroy() only lets go of it. 0, or -1 + errno.
 */
int cgroup_open_of(struct cgroup **out, const char *root, pid_t pid, const char *marker);

/*
 * A file descriptor, of the caller's, that becomes readable when the memory may have run out, and once the group is
 * removed: cgroup_ran_out() tells, if it is asked before that. -1 + errno.
 */
int cgroup_watch_memory(const struct cgroup *c);

/*
 * Takes what has come to `watch`. Whether memory has run out since it was made; reads the usage too then, as there may
 * soon be nothing left to read.
 */
bool cgroup_ran_out(const struct cgroup *c, int watch, struct cgroup_usage *usage);

/*
 * Mounts the group, read-only, at an empty folder (v1: one folder in it for each controller of CGROUP_SHOWN), as a sandbox is
 * to see it at /sys/fs/cgroup. Nothing around it is in there: in a cgroup namespace that begins with the group it is the
 * root of all. `names`: of the folders, NULL behind the last; v2 has one, which is `at` itself, "". False: nothing has been
 * mounted, for want of a group or because this mount namespace cannot have it.
 */
enum { CGROUP_SHOWN_MAX = 7 };
bool cgroup_show(const struct cgroup *c, const char *at, const char *names[CGROUP_SHOWN_MAX + 1]);

/* Another share of the processors than it was made with. */
int cgroup_set_cpus(const struct cgroup *c, double cpus, lrun_error *err);

/* Moves the calling process in. For a forked child before exec: allocates nothing. 0, or -1 +
 * errno. */
int cgroup_enter(const struct cgroup *c);

/* Freezes everything in it, or thaws it; waits until that is done. 0, or -1 + errno (ETIMEDOUT). */
int cgroup_freeze(const struct cgroup *c, bool on);

/* Somebody has removed it: there is nothing to read any more. */
bool cgroup_is_gone(const struct cgroup *c);

/* The CPU time alone, which takes one read. 0, or -1: nothing counts it, or the group is gone. */
int cgroup_read_cpu(const struct cgroup *c, uint64_t *us);

/* What the whole sandbox has used so far. */
void cgroup_read_usage(const struct cgroup *c, struct cgroup_usage *out);

/* Removes the cgroup (waiting up to 2 s for dying members) and frees. Accepts NULL. */
void cgroup_destroy(struct cgroup *c);

/*
 * Removes the cgroups of runs whose supervisor was killed: those without a process in them, and older
 * than min_age_ms (one that has just been made is still empty). Safe at any time, and by several at
 * once. The number of runs that something was removed of.
 */
unsigned cgroup_reap(const char *root, int64_t min_age_ms);

#endif
