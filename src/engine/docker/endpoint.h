/* SPDX-License-Identifier: MIT */
/*
 * The address of the Docker daemon, found as Docker's own client finds it: DOCKER_HOST; otherwise
 * the context that DOCKER_CONTEXT or the client's configuration names; otherwise the usual sockets.
 */
#ifndef ENGINE_DOCKER_ENDPOINT_H
#define ENGINE_DOCKER_ENDPOINT_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>

struct endpoint {
    char *name;            /* the address as it was given, for messages */
    char *socket;          /* path of a unix socket; NULL: over TCP */
    char *url;             /* "http://host:port", without a slash at its end */
    char *ca, *cert, *key; /* files, for TLS; NULL: none */
    bool insecure;         /* with TLS: the user asked not to verify the server's certificate */
};

/* Reads the environment and the configuration; connects to nothing.
 * Errors: INVALID_ARGUMENT (the configuration is invalid), NOT_SUPPORTED (ssh), IO_FAILED. */
int endpoint_find(struct endpoint *out, lrun_error *err);

void endpoint_free(struct endpoint *e);

/* Returns the folder of Docker's client: $DOCKER_CONFIG, or else ~/.docker. malloc'd;
 * NULL: there is none. */
char *endpoint_config_folder(void);

/* Returns that folder's config.json. NULL: there is none, or it is not a JSON
 * object. New reference. */
json_t *endpoint_config(void);

#endif
