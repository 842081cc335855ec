/* SPDX-License-Identifier: MIT */
/*
 * The agent for a container that cannot be shown a file of this machine: sent to the daemon, which writes it into the
 * container's root.
 */
#ifndef ENGINE_DOCKER_AGENT_FILE_H
#define ENGINE_DOCKER_AGENT_FILE_H

#include "engine/docker/daemon.h"

/*
 * Writes the program to `at`, an absolute path, in a container that has been created and not started: the root of one
 * that runs in gVisor cannot be reached any more. Errors: IO_FAILED, CONTAINER_START_FAILED, DOCKER_UNREACHABLE.
 */
int agent_file_put(struct daemon *d, const char *container, const char *at, lrun_error *err);

#endif
