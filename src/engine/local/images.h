/* SPDX-License-Identifier: MIT */
/* The images of the local engine: those of the store. The functions are rows of its table (engine/engine.h). */
#ifndef ENGINE_LOCAL_IMAGES_H
#define ENGINE_LOCAL_IMAGES_H

#include "image/feedback.h"

#include "base/error.h"

int local_images_find(const char *name, char **digest, lr_error *err);
int local_images_pull(const char *name, struct image_feedback *feedback, lr_error *err);
int local_images_clean(unsigned *count, lr_error *err);

#endif
