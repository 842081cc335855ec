/* SPDX-License-Identifier: MIT */
/* The local engine's images, which are in the store. The functions are members of its table
 * (engine/engine.h). */
#ifndef ENGINE_LOCAL_IMAGES_H
#define ENGINE_LOCAL_IMAGES_H

#include "image/feedback.h"
#include "image/image.h"

#include <stddef.h>

int local_images_find(const char *name, char **digest, lrun_error *err);
int local_images_describe(const char *name, struct image *out, lrun_error *err);
int local_images_import(int fd, const char *name, struct image *out,
                        struct image_feedback *feedback, lrun_error *err);
int local_images_list(struct image **out, size_t *count, lrun_error *err);
int local_images_remove(const char *name, lrun_error *err);
int local_images_pull(const char *name, struct image_feedback *feedback, lrun_error *err);
int local_images_clean(unsigned *count, lrun_error *err);

#endif
