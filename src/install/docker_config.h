/* SPDX-License-Identifier: MIT */
/*
 * Adds a runtime to the configuration file of a Docker daemon (daemon.json). Everything else
 * in the file stays.
 */
#ifndef INSTALL_DOCKER_CONFIG_H
#define INSTALL_DOCKER_CONFIG_H

#include "base/error.h"

#include <jansson.h>

struct docker_config {
    char *path;     /* path of the file itself, with links resolved */
    json_t *before; /* an object; empty if there is no file */
    json_t *after;
};

/* Reads the file, and adds the runtime in `after`. Flags that the file already gives it are kept.
 * Writes nothing. Errors: INVALID_ARGUMENT (a daemon would not accept the file), IO_FAILED. */
int docker_config_open(struct docker_config *out, const char *path, const char *runtime,
                       const char *program, const char *const *flags, lrun_error *err);

/* Adds a second runtime in `after`: a copy of the first, in which `flag` ("--name=value")
 * replaces the flag of the same name. Replaces an existing runtime with the name of the variant.
 * Errors: OUT_OF_MEMORY. */
int docker_config_add_variant(struct docker_config *c, const char *runtime, const char *variant,
                              const char *flag, lrun_error *err);

/* Whether there is anything to write. */
bool docker_config_changes(const struct docker_config *c);

/* Writes `after` by rename, with the owner and mode of the existing file. Errors: IO_FAILED. */
int docker_config_write(const struct docker_config *c, lrun_error *err);

void docker_config_free(struct docker_config *c);

#endif
