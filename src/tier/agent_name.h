/* SPDX-License-Identifier: MIT */
/*
 * The path of the agent in a sandbox. An image may contain a file, a link or a mount point at
 * any path that its author can guess, and runtimes follow the image's links when they mount or
 * execute something. So each sandbox has its own path, which nobody can know before the
 * sandbox is created.
 */
#ifndef TIER_AGENT_NAME_H
#define TIER_AGENT_NAME_H

#include "base/error.h"

#define AGENT_NAME_PREFIX "/.light-runner-"

enum {
    AGENT_NAME_RANDOM = 16,
    AGENT_NAME_SIZE = sizeof(AGENT_NAME_PREFIX) + 2 * AGENT_NAME_RANDOM
};

/* Makes an absolute path directly below the root: the prefix and 128 random bits in
 * hexadecimal. Errors: INTERNAL. */
int agent_name_make(char out[AGENT_NAME_SIZE], lrun_error *err);

#endif
