/* SPDX-License-Identifier: MIT */
/*
 * One Docker daemon: where it is, which version of its API is spoken, and what it said about itself.
 * A process speaks to one, over one connection.
 */
#ifndef ENGINE_DOCKER_DAEMON_H
#define ENGINE_DOCKER_DAEMON_H

#include "engine/docker/http.h"

#include <stdarg.h>

struct daemon {
    struct endpoint endpoint;
    struct http http;
    unsigned api;      /* the minor number of version 1.N */
    char kernel[65];   /* its machine's kernel, as uname -r has it; "": it does not say */
    bool same_machine; /* as far as can be told: our socket, our kernel */
    bool podman;       /* Podman's service for Docker's clients */
    json_t *info;      /* of daemon_info(); NULL: not asked for yet */
};

/* Of the first API that has what we need (mounts, nano CPUs), and of the last one that we know of. */
enum { DAEMON_API_MIN = 25, DAEMON_API_MAX = 52 };
/* Since this one a container can have a cgroup namespace of its own. */
enum { DAEMON_API_CGROUP_NAMESPACE = 41 };

/* The daemon, asked for its version the first time that a process needs it. Borrowed.
 * Errors: DOCKER_UNREACHABLE, INVALID_ARGUMENT (DOCKER_HOST...), NOT_SUPPORTED (too old or too new, another
 * architecture). */
int daemon_get(struct daemon **out, lrun_error *err);

/* What it says of its runtimes and its storage: the body of GET /info. Asked for once. Borrowed.
 * Errors: DOCKER_UNREACHABLE. */
int daemon_info(struct daemon *d, const json_t **out, lrun_error *err);

/* For every call from now on: see struct http. */
void daemon_watch(int (*tick)(void *user), void *user);

/* Fills request->path: "/v1.N" and the formatted rest. Everything in `format` but %s of daemon_escape()d
 * text and numbers is fixed. */
int daemon_call(struct daemon *d, struct http_request *request, struct http_answer *out,
                lrun_error *err, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* For a part of a path or a query. malloc'd; NULL when memory is out. */
char *daemon_escape(const char *text);

/* The error of an answer: what the daemon says of it behind `what`. */
int daemon_refused(const struct http_answer *answer, lrun_code code, const char *operation,
                   const char *what, lrun_error *err);

/* What it said; "" when it did not. Borrowed from the answer. */
const char *daemon_message(const struct http_answer *answer);

#endif
