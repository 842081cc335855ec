/* SPDX-License-Identifier: MIT */
/* The local engine's images, which are in the store. The functions are members of its table
 * (engine/engine.h). */
#ifndef ENGINE_LOCAL_IMAGES_H
#define ENGINE_LOCAL_IMAGES_H

#include "engine/engine.h"

int local_images_find(struct engine *e, const char *name, char **digest, lrun_error *err);
int local_images_describe(struct engine *e, const char *name, struct image *out, lrun_error *err);
int local_images_import(struct engine *e, int fd, const char *name, struct image *out,
                        struct image_feedback *feedback, lrun_error *err);
int local_images_list(struct engine *e, struct image **out, size_t *count, lrun_error *err);
int local_images_remove(struct engine *e, const char *name, lrun_error *err);
int local_images_pull(struct engine *e, const char *name, bool insecure,
                      struct image_feedback *feedback, lrun_error *err);
int local_images_clean(struct engine *e, unsigned *count, lrun_error *err);

#endif
