/* SPDX-License-Identifier: MIT */
/*
 * The protocol between the supervisor and the first program of a VM, beside the agent's frames.
 *
 * The supervisor describes the setup of the machine on the kernel's command line, in words
 * GUEST_...=VALUE. Two ports of a virtio console lead back: GUEST_PORT_AGENT is the agent's
 * channel, and GUEST_PORT_CONTROL carries these lines:
 *
 *      up                  the agent is about to be started
 *      ended OOM PEAK PIDS no process of the container is alive any more. OOM: how many processes
 *                          the kernel killed for lack of memory. PEAK, PIDS: the most bytes and
 *                          processes that there were at once
 *
 * In the other direction, any byte means: kill the container. The guest reports failures on the
 * console. Everything on these ports and the console comes from inside: it is as hostile as the
 * agent's frames.
 */
#ifndef WIRE_GUEST_H
#define WIRE_GUEST_H

#define GUEST_PORT_AGENT   "agent"
#define GUEST_PORT_CONTROL "control"

#define GUEST_HOSTNAME "lr.hostname"
#define GUEST_MEMORY   "lr.memory"  /* bytes that the container may use */
#define GUEST_PIDS     "lr.pids"    /* processes that the container may have */
#define GUEST_NETWORK  "lr.network" /* 1: there is an interface */
#define GUEST_SUID     "lr.suid"    /* 1: programs may become another user */
#define GUEST_TRIAL                                                                                \
    "lr.trial" /* 1: no run. The guest prints GUEST_TRIAL_ANSWER on its console and shuts down */

/* The name server that QEMU's network offers to the guest. */
#define GUEST_RESOLVER "10.0.2.3"

#define GUEST_TRIAL_ANSWER "light-runner: the guest is up"

#define GUEST_LINE_UP    "up"
#define GUEST_LINE_ENDED "ended"

enum { GUEST_LINE_MAX = 128 };

#endif
