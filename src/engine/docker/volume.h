/* SPDX-License-Identifier: MIT */
/*
 * Checks where volumes are mounted in a container. Volumes are declared by the image, and then the
 * daemon makes them itself, or belong to the run. A new volume is a copy of the image's files at
 * its path. Over /dev or /proc, it would replace files that the runtime relies on with files and
 * links of the image.
 */
#ifndef ENGINE_DOCKER_VOLUME_H
#define ENGINE_DOCKER_VOLUME_H

#include "engine/docker/daemon.h"

#include <jansson.h>
#include <stdbool.h>

/* Whether no volume may be mounted at that path: it is /, or it is at or below a reserved folder.
 * The path must be absolute, without redundant slashes. */
bool volume_is_reserved(const char *path);

/*
 * Checks the paths that an image declares (docker_image_volumes()) as they are written. `capped`:
 * the run's disk has a cap, which a volume would escape.
 * Errors: NOT_SUPPORTED, which names the volume; OUT_OF_MEMORY.
 */
int volume_check_places(const json_t *declared, bool capped, lrun_error *err);

/*
 * Checks the same paths, and `own` (NULL: the run has no volume of its own), by where they lead in
 * the root of a container that has been created. Follows the image's links, as the runtime will.
 * Errors: NOT_SUPPORTED; DOCKER_UNREACHABLE; CONTAINER_START_FAILED (the daemon does not tell).
 */
int volume_check_links(struct daemon *d, const char *container, const json_t *declared,
                       const char *own, lrun_error *err);

#endif
