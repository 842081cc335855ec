/* SPDX-License-Identifier: MIT */
/*
 * What the host's kernel limits elsewhere, where the sandbox has a kernel of its own: the host sees
 * that kernel's threads, not the processes in it, and a limit on those would kill the kernel.
 */
#ifndef AGENT_CONFINE_H
#define AGENT_CONFINE_H

#include "failure.h"

#include <stdint.h>

/*
 * Puts the agent, and so all that it starts, into a cgroup of at most `pids` processes and threads;
 * takes away what gVisor mounts over the image's own /tmp, so that the run's storage is what is written
 * to there, too, and what shows the cgroups; makes the kernel's settings read-only, and removes devices that nobody needs.
 */
int confine_self(uint64_t pids, struct failure *failure);

/*
 * Gives up the capabilities that this took, for good. Not at once: without no_new_privs it takes one
 * of them to put on a seccomp filter.
 */
int confine_drop_capabilities(struct failure *failure);

#endif
