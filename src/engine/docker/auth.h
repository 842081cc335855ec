/* SPDX-License-Identifier: MIT */
/*
 * Credentials for a registry. They come from the config.json of Docker's client and from the helper
 * programs that it names.
 */
#ifndef ENGINE_DOCKER_AUTH_H
#define ENGINE_DOCKER_AUTH_H

#include "base/error.h"

/* Returns the header that gives the daemon the credentials for the image's registry:
 * "X-Registry-Auth: ...", malloc'd. NULL: there are no credentials. Errors: OUT_OF_MEMORY. */
int auth_header(char **out, const char *image, lrun_error *err);

#endif
