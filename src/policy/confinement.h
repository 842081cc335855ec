/* SPDX-License-Identifier: MIT */
/*
 * What a sandbox may not see and may do, on every engine and tier: said once, for the runtime's bundle, the Docker daemon and
 * the first program of a VM.
 */
#ifndef POLICY_CONFINEMENT_H
#define POLICY_CONFINEMENT_H

struct confinement_capability {
    int number; /* CAP_... */
    const char *name;
};

/* The last has no name. First what a sandbox has: Docker's default set without NET_RAW, MKNOD, SYS_CHROOT, SETPCAP,
 * SETFCAP and AUDIT_WRITE. */
extern const struct confinement_capability confinement_capabilities[];

/* Two more, where the agent has a kernel of the sandbox's own under it: it gives them up (agent/confine.h). */
extern const struct confinement_capability confinement_agent_capabilities[];

/* Where the kernel's cgroups are: masked, unless the sandbox's own is shown there. */
#define CONFINEMENT_CGROUP "/sys/fs/cgroup"

/* Paths; the last is NULL. */
extern const char *const confinement_masked[];
extern const char *const confinement_read_only[];

#endif
