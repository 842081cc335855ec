/* SPDX-License-Identifier: MIT */
/*
 * The container in the VM, in which the agent and all processes of the command run. It has the same
 * namespaces, capabilities, masked paths and limits that an OCI runtime would give them on the
 * host.
 */
#ifndef GUEST_CONTAINER_H
#define GUEST_CONTAINER_H

#include "settings.h"

#include <sys/types.h>

/* Creates the container's cgroup with its limits. */
void container_limit(const struct settings *s);

/* Starts the agent in the container, with `channel` as its stdin and stdout. Returns its pid. */
pid_t container_start(const struct settings *s, int channel);

/* Kills all processes in the container at once. */
void container_kill(void);

/* Writes the line about the container's usage. Call this after its last process has ended. */
void container_report(int control);

#endif
