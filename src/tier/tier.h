/* SPDX-License-Identifier: MIT */
/*
 * A tier is how hard the wall is. One row per tier: everything else asks the row.
 */
#ifndef TIER_TIER_H
#define TIER_TIER_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the agent saw of its kernel, before any code of the user ran. Borrowed strings, never NULL.
 */
struct tier_evidence {
    const char *release;    /* uname -r */
    const char *kernel;     /* uname -v */
    const char *kernel_log; /* the first bytes of the kernel's log, "" where not readable */
    const char *boot;       /* its boot_id, "" where not known */
};

enum { TIER_BOOT_SIZE = 65 };

/* This machine's boot_id; "" where it cannot be had, or is another's than the kernel's: some containers are shown one that
 * was made up. */
void tier_host_boot(char out[TIER_BOOT_SIZE]);

enum { TIER_FLAGS_MAX = 8 };

/* An OCI runtime that can carry a tier, in order of preference. */
struct tier_runtime {
    const char *name;                  /* searched in PATH */
    const char *variable;              /* environment variable that names another path for it */
    const char *flags[TIER_FLAGS_MAX]; /* that it is always given, in front of its verb */
    bool joins_cgroup; /* wants the path of our cgroup; others keep their hands off cgroups */
    unsigned pids;     /* how many tasks of its own are in the sandbox's cgroup meanwhile */
    bool starts_early; /* reads its config.json once: it may be a pipe that it waits for */
    bool
        copies_itself; /* starts itself again from a copy that nobody can write to, unless it is one */
    bool refuses_hybrid;        /* does not start where an empty cgroup2 is mounted beside v1 */
    bool sets_limits_of_others; /* those of the sandbox's first process, from outside of it */
    bool binds_deep;     /* what it shows of the host's folders has what is mounted in them */
    uint64_t memory_min; /* bytes that a sandbox takes before it runs anything */
    unsigned since;      /* date (20260701) before which it lacks what we need; 0: any will do */
    const char *hint;    /* the command that installs it */
};

struct tier {
    const char *name;
    const struct tier_runtime
        *runtimes;   /* closed by a NULL name; NULL: not on the local engine yet */
    bool own_kernel; /* not the host's: its log is part of the evidence */
    bool is_guest;   /* that kernel is of a VM */
    bool is_gvisor;  /* that kernel is gVisor's: file systems, network stack, process limit */
    /* Whether the evidence is that of this tier. `host` is the host's own. */
    bool (*verify)(const struct tier_evidence *seen, const struct tier_evidence *host);
};

/* What a Docker daemon calls a runtime of gVisor that makes no network but loopback: the other one's name and this. */
#define TIER_GVISOR_NO_NETWORK      "-network-none"
#define TIER_GVISOR_NO_NETWORK_FLAG "--network=none"

/* The row of a tier, whoever starts its runtime. Errors: INVALID_ARGUMENT. */
int tier_row(const struct tier **out, const char *name, lrun_error *err);

/* The same for the local engine. NOT_SUPPORTED for one that this version cannot start by itself. */
int tier_find(const struct tier **out, const char *name, lrun_error *err);

/* Whether that many bytes of memory are enough for a sandbox of the tier. Errors: INVALID_ARGUMENT. */
int tier_check_memory(const struct tier *tier, uint64_t bytes, lrun_error *err);

/* The runtime to use: the first of the row that is installed. *path is malloc'd.
 * Errors: CONTAINER_START_FAILED with the command that installs one. */
int tier_find_runtime(const struct tier *tier, const struct tier_runtime **out, char **path,
                      lrun_error *err);

/*
 * Whether a runtime that has been found is one that works: starts it to ask for its version, with the
 * flags that it will be given. Not for every run: it takes as long as a start. The first line of its
 * answer is in version, a string in any case. Errors: CONTAINER_START_FAILED.
 */
int tier_check_runtime(const struct tier_runtime *runtime, const char *path, char *version,
                       size_t size, lrun_error *err);

/* The date in what a runtime says of its version, as in "release-20260901.0": 20260901. 0: there is none. */
unsigned tier_date_in(const char *version);

#endif
