/* SPDX-License-Identifier: MIT */
/*
 * The relay: a process between a container's attach stream and the supervisor's pipes.
 *
 *      to_agent ──────> ┌───────┐ ───> stdin  ┐
 *      from_agent <──── │ relay │ <─── stdout ├ one connection, upgraded; TLS or not
 *      text <────────── └───────┘ <─── stderr ┘
 *
 * So the supervisor has the same three pipes as on the local engine. Its loop need not know about
 * Docker's framing or TLS, and never waits for a daemon. The relay attaches to the container, then
 * has it started. If the daemon refuses, its message goes to `text`, where an OCI runtime's error
 * would go. The relay holds at most a few hundred KiB: if one side accepts no more data, the relay
 * stops reading from the other. It dies with the supervisor. Then the daemon closes the container's
 * stdin, which ends the agent.
 */
#ifndef ENGINE_DOCKER_RELAY_H
#define ENGINE_DOCKER_RELAY_H

#include "engine/docker/daemon.h"
#include "host/process.h"

/* The supervisor's ends of the pipes; the caller closes them. Reading `facts` does not block. It
 * has a line "ID PID", with the container's id and the pid of its first process on the daemon's
 * machine. The line is there before anything comes from the agent, or it never comes. */
enum { RELAY_FACTS_MAX = 128 };
struct relay_pipes {
    int to_agent, from_agent, text, facts;
};

/* Starts a relay, which attaches to a container that has been created and starts it.
 * Errors: CONTAINER_START_FAILED; nothing is open then. */
int relay_start(struct process *out, struct relay_pipes *pipes, const struct daemon *daemon,
                const char *container, lrun_error *err);

#endif
