/* SPDX-License-Identifier: MIT */
/*
 * The way out of a sandbox: pasta, a user-space network stack between the sandbox's network namespace and the host's
 * sockets. It needs no bridge and no firewall rule, so nothing on the host is changed and nothing is left. Connections go
 * out only; no sandbox can reach another, as each has a namespace of its own that nothing leads into. Which addresses
 * they reach is host/egress.h's business.
 *
 *      supervisor ── fork, new PID namespace ──> keeper ── fork, exec ──> pasta
 *
 * The keeper is the init of pasta's PID namespace. It puts the egress program on pasta's tap device before it reports that
 * the network is up, renews the program when the host's addresses change, and ends when it cannot. Its own end, by its own
 * hand or the kernel's, is pasta's. (pasta changes its credentials, which clears a death signal.) It is in the supervisor's
 * cgroup: it does nothing for the sandbox, and its end takes longer than that of the run's cgroup may.
 */
#ifndef HOST_NETWORK_H
#define HOST_NETWORK_H

#include "host/cgroup.h"
#include "host/process.h"
#include "host/resolver.h"

/* The sandbox's name server where the host's is on loopback: pasta forwards it to the host's own. */
#define NETWORK_RESOLVER "169.254.1.1"

/* What pasta opens in the sandbox's network namespace; everybody may on most distributions. */
#define NETWORK_DEVICE "/dev/net/tun"

/* 0 if it can be used, else an errno; and the command that helps against that. */
int network_device_error(void);
const char *network_device_fix(int number);

/*
 * pasta works for the sandbox, so it is in the run's cgroup. The limits are larger by what it takes, so that the run keeps
 * what it was promised: pasta, and a process that it makes for a moment; pasta's memory, which is 20 MiB when idle and 25 MiB with 20 connections that
 * carry bulk data.
 */
enum { NETWORK_PIDS = 2 };
#define NETWORK_MEMORY ((uint64_t)25 << 20)

struct network {
    struct process keeper; /* the init of the PID namespace that pasta is in */
    int ready;             /* becomes readable when the interface is up; -1: no network */
};

#define NETWORK_NONE ((struct network){.keeper.pidfd = -1, .ready = -1})

struct network_launch {
    const char *user_namespace, *network_namespace; /* paths */
    const char *folder;                             /* for a fifo */
    const struct cgroup *cgroup;                    /* of the run */
    int text;                                       /* gets the reason when it fails */
    unsigned egress;                                /* EGRESS_... bits: what it may reach as well */
    const struct resolver *names; /* with a `host` NETWORK_RESOLVER is forwarded to that */
};

/*
 * Starts pasta for the namespaces, in a PID namespace whose init dies with the supervisor: so pasta does, whatever
 * credentials it has changed to meanwhile. Errors: CONTAINER_START_FAILED.
 */
int network_start(struct network *out, const struct network_launch *l, lrun_error *err);

/*
 * Has the keeper kill pasta, and end. Does not wait: the kernel takes some 40 ms to take the interface down, and there is
 * nothing that anybody could do meanwhile or that would have to be done then. Idempotent.
 */
void network_stop(struct network *n);

#endif
