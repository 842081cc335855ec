/* SPDX-License-Identifier: MIT */
/*
 * Where the Docker daemon is, as Docker's own client would find it: DOCKER_HOST, else the context
 * that DOCKER_CONTEXT or the client's configuration names, else the usual sockets.
 */
#ifndef ENGINE_DOCKER_ENDPOINT_H
#define ENGINE_DOCKER_ENDPOINT_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>

struct endpoint {
    char *name;            /* as it was given, for messages */
    char *socket;          /* path of a unix socket; NULL: over TCP */
    char *url;             /* "http://host:port", without a slash at its end */
    char *ca, *cert, *key; /* files, for TLS; NULL: none */
    bool
        insecure; /* with TLS: the user has said that the server's certificate is not to be verified */
};

/* Reads environment and configuration; speaks to nobody. Errors: INVALID_ARGUMENT (what is configured
 * cannot be understood), NOT_SUPPORTED (ssh), IO_FAILED. */
int endpoint_find(struct endpoint *out, lrun_error *err);

void endpoint_free(struct endpoint *e);

/* The folder of Docker's client: $DOCKER_CONFIG, else ~/.docker. malloc'd; NULL: there is none. */
char *endpoint_config_folder(void);

/* Its config.json; NULL: there is none, or it is no JSON object. New reference. */
json_t *endpoint_config(void);

#endif
