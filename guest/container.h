/* SPDX-License-Identifier: MIT */
/*
 * What the agent and all of the command's are in: the same namespaces, capabilities, masked paths and limits that an
 * OCI runtime would give them on the host.
 */
#ifndef GUEST_CONTAINER_H
#define GUEST_CONTAINER_H

#include "settings.h"

#include <sys/types.h>

/* The group that it is to be in, with its limits. */
void container_limit(const struct settings *s);

/* The agent, with `channel` as its stdin and stdout. */
pid_t container_start(const struct settings *s, int channel);

/* Everything in it, at once. */
void container_kill(void);

/* The line that tells what it has used, once nothing of it is alive. */
void container_report(int control);

#endif
