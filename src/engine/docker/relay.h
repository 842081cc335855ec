/* SPDX-License-Identifier: MIT */
/*
 * Between a container's attach stream and the supervisor's pipes: a process of its own.
 *
 *      to_agent ──────> ┌───────┐ ───> stdin  ┐
 *      from_agent <──── │ relay │ <─── stdout ├ one connection, upgraded; TLS or not
 *      text <────────── └───────┘ <─── stderr ┘
 *
 * So the supervisor has the same three pipes as on the local engine, and its loop knows nothing of
 * Docker's framing nor of TLS, and waits for no daemon. The relay attaches, then has the container
 * started; what the daemon says against that goes to `text`, where an OCI runtime would say it. It
 * holds at most a few hundred KiB: what one side does not take stops the reading of the other. It
 * dies with the supervisor, and then the daemon closes the container's stdin, which ends the agent.
 */
#ifndef ENGINE_DOCKER_RELAY_H
#define ENGINE_DOCKER_RELAY_H

#include "engine/docker/daemon.h"
#include "host/process.h"

struct relay {
    struct process process;
    int to_agent, from_agent, text; /* the supervisor's ends; -1 before */
};

#define RELAY_NONE ((struct relay){{0, -1}, -1, -1, -1})

/* Begins to attach to a container that has been created, and to start it. Errors: CONTAINER_START_FAILED. */
int relay_start(struct relay *out, const struct daemon *daemon, const char *container,
                lr_error *err);

#endif
