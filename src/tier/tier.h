/* SPDX-License-Identifier: MIT */
/*
 * A tier says how strongly a run is isolated. Each tier has one row, and all other
 * code asks the row.
 */
#ifndef TIER_TIER_H
#define TIER_TIER_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the agent reported about its kernel before any of the user's code ran. Borrowed
 * strings, never NULL. */
struct tier_evidence {
    const char *release;    /* uname -r */
    const char *kernel;     /* uname -v */
    const char *kernel_log; /* the first bytes of the kernel's log; "" if it is not readable */
    const char *boot;       /* its boot_id; "" if unknown */
};

enum { TIER_BOOT_SIZE = 65 };

/* Sets `out` to this machine's boot_id; "" if it is not available or not the kernel's own: some
 * containers see one that was made up. */
void tier_host_boot(char out[TIER_BOOT_SIZE]);

enum { TIER_FLAGS_MAX = 8 };

/* The program that starts a tier's sandboxes: an OCI runtime, or QEMU. */
struct tier_runtime {
    const char *name;                  /* searched in PATH */
    const char *variable;              /* environment variable that names another path for it */
    const char *flags[TIER_FLAGS_MAX]; /* always given, before its verb */
    unsigned pids;       /* number of its own tasks in the sandbox's cgroup during the run */
    uint64_t memory_min; /* bytes that a sandbox needs before it runs anything */
    /* Date (20260701) of the first version with what we need; 0: any version will do. */
    unsigned since;
    const char *hint; /* the command that installs it */
};

struct tier {
    const char *name;
    /* NULL: our own launcher starts the sandboxes. */
    const struct tier_runtime *runtime;
    bool docker_only; /* the local engine does not have it */
    bool own_kernel;  /* not the host's kernel: its log is part of the evidence */
    bool is_guest;    /* its kernel is a VM's */
    bool is_gvisor;   /* its kernel is gVisor's: file systems, network stack, process limit */
    /* Whether the evidence fits this tier. `host` is the host's own evidence. */
    bool (*verify)(const struct tier_evidence *seen, const struct tier_evidence *host);
};

/* On a Docker daemon, gVisor without a network except loopback is a second runtime. Its name is
 * the first runtime's name and this suffix. */
#define TIER_GVISOR_NO_NETWORK      "-network-none"
#define TIER_GVISOR_NO_NETWORK_FLAG "--network=none"

/* Finds the row of a tier, for any engine. Errors: INVALID_ARGUMENT. */
int tier_row(const struct tier **out, const char *name, lrun_error *err);

/* Like tier_row(), for the local engine. Errors: also NOT_SUPPORTED, if this version cannot start
 * the tier by itself. */
int tier_find(const struct tier **out, const char *name, lrun_error *err);

/* Checks that this much memory is enough for a sandbox of the tier. Errors: INVALID_ARGUMENT. */
int tier_check_memory(const struct tier *tier, uint64_t bytes, lrun_error *err);

/* Finds the tier's runtime. *path is malloc'd; NULL if the tier has none.
 * Errors: CONTAINER_START_FAILED with the command that installs the runtime. */
int tier_find_runtime(const struct tier *tier, char **path, lrun_error *err);

/*
 * Checks that a runtime works: starts it to ask for its version, with the flags that it always
 * gets. This takes as long as starting a sandbox, so do not call it for every run. `version` gets
 * the first line of the answer, and is a string in any case. Errors: CONTAINER_START_FAILED.
 */
int tier_check_runtime(const struct tier_runtime *runtime, const char *path, char *version,
                       size_t size, lrun_error *err);

/* Returns the date in a runtime's version, e.g. 20260901 for "release-20260901.0";
 * 0 if there is none. */
unsigned tier_date_in(const char *version);

#endif
