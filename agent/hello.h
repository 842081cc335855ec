/* SPDX-License-Identifier: MIT */
/*
 * The evidence of the kernel: the sandbox as the agent sees it before any of the user's code runs.
 */
#ifndef AGENT_HELLO_H
#define AGENT_HELLO_H

#include "channel.h"

/* Queues the HELLO frame. Reads the kernel's log only if `with_log` is set, because that takes
 * longer than everything else. */
int hello_send(struct channel *c, bool with_log);

#endif
