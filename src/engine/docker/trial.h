/* SPDX-License-Identifier: MIT */
/*
 * A trial of a runtime that is not in the daemon's list, as containerd's shims are not: can the
 * daemon start anything with it?
 */
#ifndef ENGINE_DOCKER_TRIAL_H
#define ENGINE_DOCKER_TRIAL_H

#include "engine/docker/docker_engine.h"

/* Starts the agent in a container of that runtime, without a network, and removes the container.
 * The agent ends by itself if it receives no input. Errors: CONTAINER_START_FAILED,
 * DOCKER_UNREACHABLE. */
int trial_of_runtime(struct docker_engine *e, const char *runtime, lrun_error *err);

#endif
