/* SPDX-License-Identifier: MIT */
/*
 * What confines the agent, and so everything that it starts, as its kernel says.
 */
#ifndef AGENT_WALLS_H
#define AGENT_WALLS_H

#include "channel.h"
#include "failure.h"

/* Queues the WALLS frame. */
int walls_send(struct channel *c, struct failure *failure);

#endif
