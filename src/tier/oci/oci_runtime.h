/* SPDX-License-Identifier: MIT */
/*
 * Starting an OCI runtime as the first process of its own PID namespace.
 *
 * So the runtime is the init of a namespace that contains the sandbox and everything that the
 * runtime starts. When it is killed, the kernel kills everything in the run; once it has been
 * waited for, nothing of the run is alive. It is killed when the supervisor dies
 * (PR_SET_PDEATHSIG).
 */
#ifndef TIER_OCI_OCI_RUNTIME_H
#define TIER_OCI_OCI_RUNTIME_H

#include "host/cgroup.h"
#include "host/process.h"
#include "tier/tier.h"

/* The path under which the runtime finds the image's file. No path outside leads to it. */
#define OCI_RUNTIME_IMAGE "/proc/self/fd/3"

enum { OCI_RUNTIME_IMAGE_FD = 3 };

enum { OCI_RUNTIME_FLAGS_MAX = 6 };

struct oci_runtime_launch {
    const struct tier_runtime *runtime;
    const char *path;   /* path of the runtime's executable */
    const char *root;   /* folder for the runtime's state */
    const char *bundle; /* folder with config.json */
    const char *id;
    /* Flags of this run; they come after the flags in the runtime's row. */
    const char *flags[OCI_RUNTIME_FLAGS_MAX];
    const struct cgroup *cgroup;
    int stdio[3];
    int image; /* the fd becomes OCI_RUNTIME_IMAGE; -1: none */
};

/* Errors: CONTAINER_START_FAILED. */
int oci_runtime_start(struct process *out, const struct oci_runtime_launch *l, lrun_error *err);

/*
 * Pauses or resumes the sandbox with the runtime's own verb. Only `runtime`, `path`, `root` and
 * `id` of the launch are used. `process` is the runtime that was started; the runtime's state
 * refers to its PID namespace. Errors: IO_FAILED.
 */
int oci_runtime_pause(const struct process *process, const struct oci_runtime_launch *l, bool on,
                      lrun_error *err);

#endif
