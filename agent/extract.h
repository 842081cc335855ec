/* SPDX-License-Identifier: MIT */
/*
 * Copies files out of the sandbox: answers an EXTRACT frame.
 *
 * A first pass adds up the size that the tree would have as a tar archive: 512 bytes for each
 * entry, and its data rounded up to 512. If the sum is over the limit, the answer is an error and
 * no file is sent. The second pass sends the tree and checks the limit again, because files may
 * have grown since the first pass.
 */
#ifndef AGENT_EXTRACT_H
#define AGENT_EXTRACT_H

#include "channel.h"

/* Sends everything from EXTRACT_BEGIN to EXTRACT_END, and waits until the supervisor has taken it.
 * Returns -1 if the channel is broken. A path that cannot be extracted is an answer, not an error.
 */
int extract_run(struct channel *channel, const char *path, uint64_t max);

#endif
