/* SPDX-License-Identifier: MIT */
/*
 * The parts of the daemon's networks that runs need.
 */
#ifndef ENGINE_DOCKER_NETWORK_H
#define ENGINE_DOCKER_NETWORK_H

#include "engine/docker/daemon.h"
#include "engine/engine.h"

/* Room for the id of a network. Daemons other than Docker may have longer ids,
 * which we do not use. */
enum { NETWORK_ID_SIZE = 80 };

/*
 * Makes the default network if it does not exist; otherwise checks it.
 * Errors: CONTAINER_START_FAILED (it cannot be made, or it connects its containers), NOT_SUPPORTED
 * (the daemon cannot keep containers apart).
 */
int network_ensure(struct daemon *d, char id[NETWORK_ID_SIZE], lrun_error *err);

/*
 * The equivalent on Podman: makes a network that has the run's id as its name and that cannot be
 * reached from the networks of other runs. `owner` is the identity of the supervisor.
 * Errors: NOT_SUPPORTED (its networks cannot be kept apart).
 */
int network_make_own(struct daemon *d, const char *id, const char *owner, lrun_error *err);

/* Removes that network once its container is gone.
 * Errors: DOCKER_UNREACHABLE, INVALID_ARGUMENT (the daemon refuses). */
int network_remove_own(struct daemon *d, const char *id, int64_t timeout_ms, lrun_error *err);

/* Checks that a network of that name exists. Errors: CONTAINER_START_FAILED (it does not). */
int network_look_up(struct daemon *d, const char *name, lrun_error *err);

/* Connects a container that has not been started to another network.
 * Errors: CONTAINER_START_FAILED (there is no network of that name). */
int network_connect(struct daemon *d, const char *name, const char *container, lrun_error *err);

/* Errors: INVALID_ARGUMENT (not a valid name; the network exists already, does not
 * exist, or is in use). */
int network_do(struct daemon *d, enum engine_network_action action, const char *name,
               unsigned *count, lrun_error *err);

#endif
