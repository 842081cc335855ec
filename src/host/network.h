/* SPDX-License-Identifier: MIT */
/*
 * The way out of a sandbox: pasta, a user-space network stack between the sandbox's network
 * namespace and the host's sockets. It needs no bridge and no firewall rule, so nothing on the host
 * is changed, and nothing is left behind. Connections only go out. No sandbox can reach another,
 * because each has a namespace of its own that nothing leads into. host/egress.h decides which
 * addresses they reach.
 *
 *      supervisor ── fork, new PID namespace ──> keeper ── fork, exec ──> pasta
 *
 * The keeper is the init of pasta's PID namespace. It attaches the egress program to pasta's tap
 * device before it reports that the network is up, renews the program when the host's addresses
 * change, and exits if it cannot. When the keeper ends, by itself or by the kernel, pasta ends too.
 * (pasta changes its credentials, which clears a death signal.) The keeper is in the supervisor's
 * cgroup, not in the run's: it does nothing for the sandbox, and it takes longer to end than the
 * run's cgroup may take.
 */
#ifndef HOST_NETWORK_H
#define HOST_NETWORK_H

#include "host/cgroup.h"
#include "host/process.h"
#include "host/resolver.h"

/* The sandbox's name server if the host's is on loopback: pasta forwards it to the host's own. */
#define NETWORK_RESOLVER "169.254.1.1"

/* The device that pasta opens in the sandbox's network namespace. On most distributions everybody
 * may open it. */
#define NETWORK_DEVICE "/dev/net/tun"

/* Returns 0 if the device can be used, else an errno; and the command that fixes that errno. */
int network_device_error(void);
const char *network_device_fix(int number);

/*
 * pasta works for the sandbox, so it is in the run's cgroup. The limits are raised by what pasta
 * takes, so that the run keeps what it was promised. Processes: pasta, and a child that it has for
 * a moment. Memory: pasta takes 20 MiB when idle and 25 MiB with 20 connections that carry bulk
 * data.
 */
enum { NETWORK_PIDS = 2 };
#define NETWORK_MEMORY ((uint64_t)25 << 20)

struct network {
    struct process keeper; /* the init of pasta's PID namespace */
    int ready;             /* becomes readable when the interface is up; -1: no network */
};

#define NETWORK_NONE ((struct network){.keeper.pidfd = -1, .ready = -1})

struct network_launch {
    const char *user_namespace, *network_namespace; /* paths */
    const char *folder;                             /* for a fifo */
    const struct cgroup *cgroup;                    /* the run's */
    int text;                                       /* gets the reason of a failure */
    unsigned egress;              /* EGRESS_... bits: addresses that the run may reach as well */
    const struct resolver *names; /* if it has a `host`, NETWORK_RESOLVER is forwarded to it */
};

/*
 * Starts pasta for the namespaces, in a PID namespace whose init dies with the supervisor. So pasta
 * dies too, whatever credentials it has changed to. Errors: CONTAINER_START_FAILED.
 */
int network_start(struct network *out, const struct network_launch *l, lrun_error *err);

/*
 * Makes the keeper kill pasta and exit. Does not wait: the kernel takes some 40 ms to remove the
 * interface, and nothing depends on that. Idempotent.
 */
void network_stop(struct network *n);

#endif
