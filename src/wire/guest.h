/* SPDX-License-Identifier: MIT */
/*
 * What the supervisor and the first program of a VM have agreed on, beside the agent's frames.
 *
 * The supervisor says how the machine is to be set up on the kernel's command line, in words GUEST_...=VALUE. Two ports
 * of a virtio console lead back: GUEST_PORT_AGENT is the agent's channel, and GUEST_PORT_CONTROL is for these lines:
 *
 *      up                  the agent is about to be started
 *      ended OOM PEAK PIDS nothing of it is alive any more: how many processes the kernel has killed for want of
 *                          memory, and the bytes and the processes that there were at most
 *
 * and the other way round for one byte, whatever it is, that means: kill it. What cannot be done is said on the console.
 * All of that comes from inside, and is worth as much as what the agent says.
 */
#ifndef WIRE_GUEST_H
#define WIRE_GUEST_H

#define GUEST_PORT_AGENT   "agent"
#define GUEST_PORT_CONTROL "control"

#define GUEST_HOSTNAME "lr.hostname"
#define GUEST_MEMORY   "lr.memory"  /* bytes that the container may have */
#define GUEST_PIDS     "lr.pids"    /* and processes */
#define GUEST_NETWORK  "lr.network" /* 1: there is an interface */
#define GUEST_SUID     "lr.suid"    /* 1: programs may become another user */
#define GUEST_TRIAL                                                                                \
    "lr.trial" /* 1: nothing of that; the machine says GUEST_TRIAL_ANSWER on its console, and ends */

/* The name server that QEMU's network has for the guest. */
#define GUEST_RESOLVER "10.0.2.3"

#define GUEST_TRIAL_ANSWER "light-runner: the guest is up"

#define GUEST_LINE_UP    "up"
#define GUEST_LINE_ENDED "ended"

enum { GUEST_LINE_MAX = 128 };

#endif
