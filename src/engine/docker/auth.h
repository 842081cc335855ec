/* SPDX-License-Identifier: MIT */
/*
 * Credentials for a registry, from where Docker's client keeps them: its config.json, and the helper
 * programs that it names.
 */
#ifndef ENGINE_DOCKER_AUTH_H
#define ENGINE_DOCKER_AUTH_H

#include "base/error.h"

/* The header that the daemon passes them on by, for the registry of that image: "X-Registry-Auth: ...",
 * malloc'd; NULL: there are none. Errors: OUT_OF_MEMORY. */
int auth_header(char **out, const char *image, lrun_error *err);

#endif
