/* SPDX-License-Identifier: MIT */
/*
 * Limits in a sandbox that has a kernel of its own. In other sandboxes the host's kernel enforces
 * them. Here the host sees the threads of the sandbox's kernel and not the processes in it, and a
 * limit on those threads would kill that kernel.
 */
#ifndef AGENT_CONFINE_H
#define AGENT_CONFINE_H

#include "failure.h"

#include <stdint.h>

struct confine_limits {
    uint64_t pids;   /* processes and threads */
    uint64_t memory; /* bytes. Enforced from outside, only shown here; 0: unknown */
    uint64_t cpu_us; /* processor time per CONFINE_PERIOD_US; otherwise like memory */
};

enum { CONFINE_PERIOD_US = 100000 };

/*
 * Puts the agent, and so everything that it starts, into a cgroup with these limits. Shows that
 * cgroup, read-only, where programs look for it, because they size themselves by its limits.
 * Unmounts what gVisor mounts over the image's own /tmp, so that files there are written to the
 * run's storage, too. Makes the kernel's settings read-only, and removes devices that no run needs.
 */
int confine_self(const struct confine_limits *limits, struct failure *failure);

/*
 * Gives up for good the capabilities that confine_self() needs. This is a step of its own, because
 * the agent needs one of them to apply a seccomp filter if no_new_privs is not set.
 */
int confine_drop_capabilities(struct failure *failure);

#endif
