/* SPDX-License-Identifier: MIT */
/*
 * What the host's kernel limits elsewhere, where the sandbox has a kernel of its own: the host sees
 * that kernel's threads, not the processes in it, and a limit on those would kill the kernel.
 */
#ifndef AGENT_CONFINE_H
#define AGENT_CONFINE_H

#include "failure.h"

#include <stdint.h>

struct confine_limits {
    uint64_t pids;   /* processes and threads */
    uint64_t memory; /* bytes. Kept from outside, and shown here; 0: it is not known */
    uint64_t cpu_us; /* of processor time in CONFINE_PERIOD_US; the same */
};

enum { CONFINE_PERIOD_US = 100000 };

/*
 * Puts the agent, and so all that it starts, into a cgroup with these limits, and shows that, read-only, where programs look for
 * it: they size themselves by what they see there. Takes away what gVisor mounts over the image's own /tmp, so that the run's storage is what is written
 * to there, too; makes the kernel's settings read-only, and removes devices that nobody needs.
 */
int confine_self(const struct confine_limits *limits, struct failure *failure);

/*
 * Gives up the capabilities that this took, for good. Not at once: without no_new_privs it takes one
 * of them to put on a seccomp filter.
 */
int confine_drop_capabilities(struct failure *failure);

#endif
