/* SPDX-License-Identifier: MIT */
/*
 * The way out of a sandbox: pasta, a user-space network stack between the sandbox's network
 * namespace and the host's sockets. It needs no bridge and no firewall rule, so nothing of the host
 * is changed and nothing is left. Connections go out only; nothing on the host's loopback can be
 * reached, and no sandbox can reach another: each has a namespace of its own that nothing leads
 * into.
 */
#ifndef HOST_NETWORK_H
#define HOST_NETWORK_H

#include "host/process.h"

/* What a sandbox asks for names: pasta hands it on to the host's own resolver. */
#define NETWORK_RESOLVER "169.254.1.1"

/* What pasta opens in the sandbox's network namespace; everybody may on most distributions. */
#define NETWORK_DEVICE     "/dev/net/tun"
#define NETWORK_DEVICE_FIX "sudo chmod 666 " NETWORK_DEVICE

struct network {
    struct process keeper; /* the init of the PID namespace that pasta is in */
    int ready;             /* becomes readable when the interface is up; -1: no network */
};

#define NETWORK_NONE ((struct network){.keeper.pidfd = -1, .ready = -1})

/*
 * Starts pasta for the namespaces at these paths, in a PID namespace whose init dies with the supervisor:
 * so pasta does, whatever it has become meanwhile. `folder` is for a fifo; `text` gets what pasta says
 * when it fails. Errors: CONTAINER_START_FAILED.
 */
int network_start(struct network *out, const char *user_namespace, const char *network_namespace,
                  const char *folder, int text, lr_error *err);

/*
 * Kills pasta. Does not wait: the kernel takes some 40 ms to take its interface down, and there is
 * nothing that anybody could do meanwhile or that would have to be done then. Idempotent.
 */
void network_stop(struct network *n);

#endif
