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

/* The supervisor's ends; the caller closes them. `facts` does not block: there is a line "ID PID", of the container and its
 * first process on the daemon's machine, before anything comes from the agent, or there never will be. */
enum { RELAY_FACTS_MAX = 128 };
struct relay_pipes {
    int to_agent, from_agent, text, facts;
};

/* Begins to attach to a container that has been created, and to start it. Errors: CONTAINER_START_FAILED;
 * nothing is open then. */
int relay_start(struct process *out, struct relay_pipes *pipes, const struct daemon *daemon,
                const char *container, lrun_error *err);

#endif
