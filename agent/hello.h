/* SPDX-License-Identifier: MIT */
/*
 * The kernel's evidence: what the sandbox looks like from inside, before any code of the user runs.
 */
#ifndef AGENT_HELLO_H
#define AGENT_HELLO_H

#include "channel.h"

/* Queues the HELLO frame. The kernel's log is read on demand only: it takes longer than all else. */
int hello_send(struct channel *c, bool with_log);

#endif
