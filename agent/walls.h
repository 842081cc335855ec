/* SPDX-License-Identifier: MIT */
/*
 * The walls around the agent, and so around everything that it starts, as its kernel reports them.
 */
#ifndef AGENT_WALLS_H
#define AGENT_WALLS_H

#include "channel.h"
#include "failure.h"

/* Queues the WALLS frame. */
int walls_send(struct channel *c, struct failure *failure);

#endif
