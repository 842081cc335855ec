/* SPDX-License-Identifier: MIT */
/*
 * Whether the daemon can start anything with a runtime that is not in its list: the shims of containerd are not.
 */
#ifndef ENGINE_DOCKER_TRIAL_H
#define ENGINE_DOCKER_TRIAL_H

#include "engine/docker/daemon.h"

/* Starts the agent in a container of that runtime, without a network, and removes it. The agent ends by itself when
 * nobody speaks to it. Errors: CONTAINER_START_FAILED, DOCKER_UNREACHABLE. */
int trial_of_runtime(struct daemon *d, const char *runtime, lrun_error *err);

#endif
