/* SPDX-License-Identifier: MIT */
/*
 * Defines once, for every engine and tier, what a sandbox must not see or do. The runtime's bundle,
 * the Docker daemon and the first program of a VM use these lists.
 */
#ifndef POLICY_CONFINEMENT_H
#define POLICY_CONFINEMENT_H

struct confinement_capability {
    int number; /* CAP_... */
    const char *name;
};

/* The capabilities of a sandbox: Docker's default set without NET_RAW, MKNOD, SYS_CHROOT, SETPCAP,
 * SETFCAP and AUDIT_WRITE. The last element has no name. */
extern const struct confinement_capability confinement_capabilities[];

/* Two more for the agent, if it runs on the sandbox's own kernel. The agent drops them
 * (agent/confine.h). */
extern const struct confinement_capability confinement_agent_capabilities[];

/* The kernel's cgroups. Masked, unless the sandbox's own cgroup is shown there. */
#define CONFINEMENT_CGROUP "/sys/fs/cgroup"

/* Paths; the last is NULL. */
extern const char *const confinement_masked[];
extern const char *const confinement_read_only[];

#endif
