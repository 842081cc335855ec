/* SPDX-License-Identifier: MIT */
/*
 * State that a process inherits from its parent and that must not affect a sandbox: privileges that
 * a caller has and does not mean to pass on (a negative nice value, a real-time priority, exemption
 * from the OOM killer, resource limits), and settings that programs do not expect (ignored signals,
 * no address space randomization).
 *
 * State that makes a caller weaker is kept: a positive nice value, the idle classes of the
 * processor and of I/O, and the set of processors. A caller that starts a run with less priority
 * means the run.
 */
#ifndef HOST_INHERITED_H
#define HOST_INHERITED_H

#include <stdbool.h>
#include <sys/resource.h>

/* Resets all of it for this process and its children. Needs no privilege. Returns 0, or -1 +
 * errno. */
int inherited_reset(void);

/* For a process of a sandbox, in the child before exec: the OOM killer kills it before programs of
 * the host. If this process has CAP_SYS_RESOURCE, the sandbox cannot undo this. Returns 0, or -1 +
 * errno. */
int inherited_yield_memory(void);

/*
 * For a process of a sandbox, or one that serves it, in the child before exec: allows at most
 * `files_max` open files, no core file, and no program that a core pattern starts. The limit on
 * files is a hard one, because a runtime written in Go raises its soft limit. Returns 0, or -1 +
 * errno.
 */
int inherited_limit(rlim_t files_max);

#endif
