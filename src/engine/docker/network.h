/* SPDX-License-Identifier: MIT */
/*
 * The daemon's networks, as far as runs need them.
 */
#ifndef ENGINE_DOCKER_NETWORK_H
#define ENGINE_DOCKER_NETWORK_H

#include "engine/docker/daemon.h"
#include "engine/engine.h"

/* Room for the id of a network; others than Docker may have longer ones, which are not used. */
enum { NETWORK_ID_SIZE = 80 };

/*
 * The default network is there: it is made when it is not, and looked at when it is.
 * Errors: CONTAINER_START_FAILED (it cannot be made; it is there and connects its containers).
 */
int network_ensure(struct daemon *d, char id[NETWORK_ID_SIZE], lrun_error *err);

/*
 * Podman's way to the same end: a network of the run's id, that others of the kind do not reach. `owner`: the identity
 * of the supervisor.
 * Errors: NOT_SUPPORTED (its networks cannot be kept apart).
 */
int network_make_own(struct daemon *d, const char *id, const char *owner, lrun_error *err);

/* Once its container is gone. Errors: DOCKER_UNREACHABLE, INVALID_ARGUMENT (the daemon refuses). */
int network_remove_own(struct daemon *d, const char *id, int64_t timeout_ms, lrun_error *err);

/* Whether there is a network of that name. Errors: CONTAINER_START_FAILED (there is none). */
int network_look_up(struct daemon *d, const char *name, lrun_error *err);

/* One more for a container that has not been started. Errors: CONTAINER_START_FAILED (there is none of
 * that name). */
int network_connect(struct daemon *d, const char *name, const char *container, lrun_error *err);

/* Errors: INVALID_ARGUMENT (no name of a network; there is one, or none, or it is in use). */
int network_do(struct daemon *d, enum engine_network_action action, const char *name,
               unsigned *count, lrun_error *err);

#endif
