/* SPDX-License-Identifier: MIT */
/*
 * A runtime in the configuration file of a Docker daemon (daemon.json). Everything else in it stays.
 */
#ifndef INSTALL_DOCKER_CONFIG_H
#define INSTALL_DOCKER_CONFIG_H

#include "base/error.h"

#include <jansson.h>

struct docker_config {
    char *path;     /* of the file itself, behind links */
    json_t *before; /* an object; empty where there is no file */
    json_t *after;
};

/* Reads it, and has the runtime in `after`. Flags that the file gives it already are kept. Nothing is written.
 * Errors: INVALID_ARGUMENT (the file is not what a daemon would take), IO_FAILED. */
int docker_config_open(struct docker_config *out, const char *path, const char *runtime,
                       const char *program, const char *const *flags, lrun_error *err);

/* A second runtime in `after`: as the first, but with that flag ("--name=value") in the place of one of the same name.
 * What was there under its name is replaced. Errors: OUT_OF_MEMORY. */
int docker_config_add_variant(struct docker_config *c, const char *runtime, const char *variant,
                              const char *flag, lrun_error *err);

/* Whether there is anything to be written. */
bool docker_config_changes(const struct docker_config *c);

/* Writes `after` by rename, with the owner and mode of the file that was there. Errors: IO_FAILED. */
int docker_config_write(const struct docker_config *c, lrun_error *err);

void docker_config_free(struct docker_config *c);

#endif
