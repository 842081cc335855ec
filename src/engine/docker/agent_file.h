/* SPDX-License-Identifier: MIT */
/*
 * The agent for a container into which no file of this machine can be mounted. We send the agent to
 * the daemon, which writes it into the container's root.
 */
#ifndef ENGINE_DOCKER_AGENT_FILE_H
#define ENGINE_DOCKER_AGENT_FILE_H

#include "engine/docker/daemon.h"

/*
 * Writes the agent to the absolute path `at` in a container that has been created. The container
 * must not be started yet: once it runs in gVisor, its root is out of reach. Errors: IO_FAILED,
 * CONTAINER_START_FAILED, DOCKER_UNREACHABLE.
 */
int agent_file_put(struct daemon *d, const char *container, const char *at, lrun_error *err);

#endif
