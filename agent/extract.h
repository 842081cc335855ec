/* SPDX-License-Identifier: MIT */
/*
 * Files out: answers an EXTRACT frame.
 *
 * A first pass adds up what the tree would take as a tar archive (512 for each entry, data rounded
 * up to 512) and is the whole answer if that is over the limit. The second pass sends, against the
 * same limit once more: what has grown meanwhile does not get past it either.
 */
#ifndef AGENT_EXTRACT_H
#define AGENT_EXTRACT_H

#include "channel.h"

/* Sends everything from BEGIN to EXTRACT_END, waiting for the supervisor to take it. -1: the
 * channel is broken. A path that cannot be extracted is an answer, not an error. */
int extract_run(struct channel *channel, const char *path, uint64_t max);

#endif
