/* SPDX-License-Identifier: MIT */
/*
 * The daemon's images, for the image verbs. The functions are members of the engine's table
 * (engine/engine.h). The functions that a run needs are in image.h.
 */
#ifndef ENGINE_DOCKER_IMAGES_H
#define ENGINE_DOCKER_IMAGES_H

#include "image/feedback.h"
#include "image/image.h"

#include <stddef.h>

int docker_images_find(const char *name, char **digest, lrun_error *err);
int docker_images_describe(const char *name, struct image *out, lrun_error *err);
int docker_images_pull(const char *name, struct image_feedback *feedback, lrun_error *err);
int docker_images_import(int fd, const char *name, struct image *out,
                         struct image_feedback *feedback, lrun_error *err);
int docker_images_list(struct image **out, size_t *count, lrun_error *err);
int docker_images_remove(const char *name, lrun_error *err);
int docker_images_clean(unsigned *count, lrun_error *err);

#endif
