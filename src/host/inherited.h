/* SPDX-License-Identifier: MIT */
/*
 * What a process inherits from its parent, and must not decide over a sandbox: privileges that a caller has and does not mean
 * to pass on (a negative nice value, a real-time priority, exemption from the OOM killer, limits of resources), and settings
 * that programs do not expect (ignored signals, no address space randomization).
 *
 * What makes a caller weaker stays: a positive nice value, the idle classes of the processor and of I/O, and the set of
 * processors. Who starts a run with less priority means the run.
 */
#ifndef HOST_INHERITED_H
#define HOST_INHERITED_H

#include <stdbool.h>
#include <sys/resource.h>

/* Resets all of it for this process and those that it starts. It needs no privilege. 0, or -1 + errno. */
int inherited_reset(void);

/* For a process of a sandbox, in the child before exec: the OOM killer comes to it before it comes to programs of the
 * host. Where it has CAP_SYS_RESOURCE this cannot be taken back inside. 0, or -1 + errno. */
int inherited_yield_memory(void);

/* Whether this process may set resource limits of another user's process: whether it has CAP_SYS_RESOURCE. */
bool inherited_may_limit_others(void);

/*
 * For a process of a sandbox, or one that serves it, in the child before exec: at most `files_max` open files, and neither a
 * core file nor a program that a core pattern starts. The limit on files is a hard one, as a runtime written in Go raises its
 * soft limit. 0, or -1 + errno.
 */
int inherited_limit(rlim_t files_max);

#endif
