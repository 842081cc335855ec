/* SPDX-License-Identifier: MIT */
/*
 * Where volumes are mounted in a container: those that the image declares, which the daemon makes by itself, and the
 * run's own. A volume begins with a copy of what the image has at its place. Over /dev or /proc it would put files and
 * links of the image in the place of what the runtime relies on.
 */
#ifndef ENGINE_DOCKER_VOLUME_H
#define ENGINE_DOCKER_VOLUME_H

#include "engine/docker/daemon.h"

#include <jansson.h>
#include <stdbool.h>

/* Whether no volume may be at that absolute path, without needless slashes: it is at or below one of those. */
bool volume_is_reserved(const char *path);

/*
 * The places that an image declares (docker_image_volumes()), by their names. `capped`: the run's disk has a cap, which
 * a volume would escape. Errors: NOT_SUPPORTED, which names the volume; OUT_OF_MEMORY.
 */
int volume_check_places(const json_t *declared, bool capped, lrun_error *err);

/*
 * The same places, and `own` (NULL: the run has no volume of its own), by where they lead in the root of a container that
 * has been created: links of the image are followed, as the runtime will. Errors: NOT_SUPPORTED; DOCKER_UNREACHABLE;
 * CONTAINER_START_FAILED (the daemon does not tell).
 */
int volume_check_links(struct daemon *d, const char *container, const json_t *declared,
                       const char *own, lrun_error *err);

#endif
