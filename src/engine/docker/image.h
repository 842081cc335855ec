/* SPDX-License-Identifier: MIT */
/*
 * The daemon's images: looked up, pulled, made of a container.
 */
#ifndef ENGINE_DOCKER_IMAGE_H
#define ENGINE_DOCKER_IMAGE_H

#include "engine/docker/daemon.h"
#include "engine/engine.h"
#include "image/feedback.h"
#include "image/image.h"

/* The image of that name or id; *found is false when the daemon has none. What was found last is
 * remembered: a run asks for its image more than once. `image` may be NULL.
 * Errors: DOCKER_UNREACHABLE, IMAGE_INVALID. */
int docker_image_find(struct daemon *d, const char *name, bool *found, struct image *image,
                      lrun_error *err);

/* What was found last is looked for anew. */
void docker_image_forget(void);

/* The paths where the image that was found last wants volumes: the keys of an object. NULL: nowhere. Borrowed. */
json_t *docker_image_volumes(void);

/* Pulls it, with the credentials that Docker's client would use. Errors: IMAGE_NOT_FOUND,
 * DOCKER_UNREACHABLE; none was set when feedback->progress has stopped it. */
int docker_image_pull(struct daemon *d, const char *name, struct image_feedback *feedback,
                      lrun_error *err);

/* What CONTAINER_CONFIG_LABEL says of an image. malloc'd; NULL when memory is out. */
char *docker_image_config(const struct image *image);

/* Makes an image of a container that has ended. */
int docker_image_commit(struct daemon *d, const char *container, const char *name, lrun_error *err);

/* Removes the images of setup steps that no container uses. */
int docker_image_clean(struct daemon *d, unsigned *count, lrun_error *err);

#endif
