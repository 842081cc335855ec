/* SPDX-License-Identifier: MIT */
/* The variables that the command gets: those of the image, of the request, and of devices. */
#ifndef RUN_ENVIRONMENT_H
#define RUN_ENVIRONMENT_H

#include "base/buffer.h"

#include <stdbool.h>

/*
 * Adds one field "env" for each variable. Of several values for one name the last is taken, and `devices` go over `given`, which
 * goes over `image`. Each list ends with NULL, and may be NULL. Left out are texts of the image without a name or without '=',
 * and an empty PATH or HOME of the image: the agent has a value for both. False: they do not fit.
 */
bool environment_add(struct buffer *fields, char *const *image, char *const *given,
                     char *const *devices);

#endif
