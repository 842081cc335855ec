/* SPDX-License-Identifier: MIT */
/*
 * One Docker daemon: its address, the version of its API that we use, and its description of
 * itself. There is one connection to it, which belongs to the process that has opened it: a child
 * process opens its own.
 */
#ifndef ENGINE_DOCKER_DAEMON_H
#define ENGINE_DOCKER_DAEMON_H

#include "engine/docker/http.h"

#include <stdarg.h>

struct daemon {
    struct endpoint endpoint;
    struct http http;
    unsigned api;      /* the minor number of version 1.N */
    char kernel[65];   /* `uname -r` of the daemon's machine; "": the daemon does not say */
    bool same_machine; /* it is this machine, as far as we can tell: unix socket, same kernel */
    bool podman;       /* Podman's service for Docker's clients */
    json_t *info;      /* the answer of daemon_info(); NULL: not requested yet */
};

/* The first version of the API that has what we need (mounts, nano CPUs), and the
 * last one that we know. */
enum { DAEMON_API_MIN = 25, DAEMON_API_MAX = 52 };
/* The first version in which a container can have its own cgroup namespace. */
enum { DAEMON_API_CGROUP_NAMESPACE = 41 };

/* Finds the daemon (endpoint.h) and asks for its version. `tick` (borrowed; NULL: none) is asked
 * during every call. *out must not move afterwards. Errors: DOCKER_UNREACHABLE, INVALID_ARGUMENT
 * (DOCKER_HOST...), NOT_SUPPORTED (too old or too new, another architecture). */
int daemon_open(struct daemon *out, const struct tick *tick, lrun_error *err);

/* Does nothing to a daemon of zeros. */
void daemon_close(struct daemon *d);

/* Returns the body of GET /info, with the daemon's runtimes and storage. Requested once. Borrowed.
 * Errors: DOCKER_UNREACHABLE. */
int daemon_info(struct daemon *d, const json_t **out, lrun_error *err);

/* Calls the daemon. Sets request->path to "/v1.N" and the formatted rest. Only daemon_escape()d
 * text (%s) and numbers may vary in it. */
int daemon_call(struct daemon *d, struct http_request *request, struct http_answer *out,
                lrun_error *err, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Escapes text for use in a path or a query. malloc'd; NULL if memory is out. */
char *daemon_escape(const char *text);

/* Sets the error of an answer: `what`, followed by the daemon's message. Returns -1. */
int daemon_refused(const struct http_answer *answer, lrun_code code, const char *operation,
                   const char *what, lrun_error *err);

/* Returns the daemon's message; "" if there is none. Borrowed from the answer. */
const char *daemon_message(const struct http_answer *answer);

#endif
