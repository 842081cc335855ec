/* SPDX-License-Identifier: MIT */
/*
 * The daemon's images: to find them, to pull them, to make one from a container.
 */
#ifndef ENGINE_DOCKER_IMAGE_H
#define ENGINE_DOCKER_IMAGE_H

#include "engine/docker/docker_engine.h"
#include "image/feedback.h"
#include "image/image.h"

/* Finds the image of that name or id. *found is false if the daemon does not have it. The last
 * image found is remembered, because a run needs its image more than once. `image` may be NULL.
 * Errors: DOCKER_UNREACHABLE, IMAGE_INVALID. */
int docker_image_find(struct docker_engine *e, const char *name, bool *found, struct image *image,
                      lrun_error *err);

/* Forgets the last image found, so that the next call asks the daemon again. */
void docker_image_forget(struct docker_engine *e);

/* Returns the paths at which the last image found declares volumes, as the keys of an object. NULL:
 * there are none. Borrowed. */
json_t *docker_image_volumes(const struct docker_engine *e);

/* Pulls an image, with the credentials that Docker's client would use.
 * Errors: IMAGE_NOT_FOUND, DOCKER_UNREACHABLE; none is set if feedback->progress
 * has stopped the pull. */
int docker_image_pull(struct docker_engine *e, const char *name, struct image_feedback *feedback,
                      lrun_error *err);

/* Returns the value of CONTAINER_CONFIG_LABEL for an image. malloc'd; NULL if memory is out. */
char *docker_image_config(const struct image *image);

/* Makes an image from a container that has ended. */
int docker_image_commit(struct daemon *d, const char *container, const char *name, lrun_error *err);

/* Removes the images of setup steps that no container uses. Adds to *count. */
int docker_image_clean(struct daemon *d, unsigned *count, lrun_error *err);

#endif
