/* SPDX-License-Identifier: MIT */
/*
 * Starting an OCI runtime as the first process of a PID namespace of its own.
 *
 * The runtime itself is thus the init of a namespace that holds the sandbox and all that the
 * runtime starts: when it is killed, the kernel kills everything there is of the run, and when it
 * has been waited for, nothing of the run is alive. It is killed when the supervisor dies
 * (PR_SET_PDEATHSIG).
 */
#ifndef TIER_OCI_OCI_RUNTIME_H
#define TIER_OCI_OCI_RUNTIME_H

#include "host/cgroup.h"
#include "host/process.h"
#include "tier/tier.h"

/* The image's file, by the name that the runtime finds it under. No path leads to it from outside. */
#define OCI_RUNTIME_IMAGE "/proc/self/fd/3"

enum { OCI_RUNTIME_IMAGE_FD = 3 };

enum { OCI_RUNTIME_FLAGS_MAX = 6 };

struct oci_runtime_launch {
    const struct tier_runtime *runtime;
    const char *path;   /* of the runtime's executable */
    const char *root;   /* folder for the runtime's state */
    const char *bundle; /* folder with config.json */
    const char *id;
    const char *flags[OCI_RUNTIME_FLAGS_MAX]; /* of this run, behind those of the runtime's row */
    const struct cgroup *cgroup;
    bool limit; /* start it with the sandbox's resource limits */
    int stdio[3];
    int config; /* becomes OCI_RUNTIME_CONFIG; -1: none */
    int image;  /* open file that it has as OCI_RUNTIME_IMAGE; -1: none */
};

/* What config.json in the bundle can be a link to, so that the runtime waits for it. */
#define OCI_RUNTIME_CONFIG "/proc/self/fd/3"

/* Errors: CONTAINER_START_FAILED. */
int oci_runtime_start(struct process *out, const struct oci_runtime_launch *l, lrun_error *err);

/*
 * Pauses or resumes the sandbox by the runtime's own verb. Only `runtime`, `path`, `root` and `id` of the launch count.
 * `process`: the runtime that was started, whose PID namespace the runtime's state is about. Errors: IO_FAILED.
 */
int oci_runtime_pause(const struct process *process, const struct oci_runtime_launch *l, bool on,
                      lrun_error *err);

#endif
