/* SPDX-License-Identifier: MIT */
/* The command's environment: variables from the image, from the request, and from devices. */
#ifndef RUN_ENVIRONMENT_H
#define RUN_ENVIRONMENT_H

#include "base/buffer.h"

#include <stdbool.h>

/*
 * Adds one field "env" for each variable. If a name has several values, the last one is used;
 * `devices` override `given`, which override `image`. Each list ends with NULL, and may be NULL.
 * Texts without a name or without '=' are left out, and so is an empty PATH or HOME of the image,
 * because the agent has a default for both. Returns false if they do not fit, or when memory is
 * out.
 */
bool environment_add(struct buffer *fields, char *const *image, char *const *given,
                     char *const *devices);

#endif
