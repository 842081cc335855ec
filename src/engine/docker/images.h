/* SPDX-License-Identifier: MIT */
/*
 * The daemon's images, for the image verbs. The functions are members of the engine's table
 * (engine/engine.h). The functions that a run needs are in image.h.
 */
#ifndef ENGINE_DOCKER_IMAGES_H
#define ENGINE_DOCKER_IMAGES_H

#include "engine/engine.h"

int docker_images_find(struct engine *e, const char *name, char **digest, lrun_error *err);
int docker_images_describe(struct engine *e, const char *name, struct image *out, lrun_error *err);
int docker_images_pull(struct engine *e, const char *name, bool insecure,
                       struct image_feedback *feedback, lrun_error *err);
int docker_images_import(struct engine *e, int fd, const char *name, struct image *out,
                         struct image_feedback *feedback, lrun_error *err);
int docker_images_list(struct engine *e, struct image **out, size_t *count, lrun_error *err);
int docker_images_remove(struct engine *e, const char *name, lrun_error *err);
int docker_images_clean(struct engine *e, unsigned *count, lrun_error *err);

#endif
