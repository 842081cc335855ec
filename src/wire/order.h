/* SPDX-License-Identifier: MIT */
/*
 * The content of the REQUEST frame: the request, and values that only the library and the
 * supervisor exchange. It is not a public document.
 *
 *      {"id": "light-runner-0123456789ab", "logs": true, "progress": false, "request": {...}}
 *
 * The OPEN frame of a session has the same content, and `idle`: how long (ms) the session may be
 * without a command.
 *
 * `commit` is present only for setup steps: if the command succeeds, the sandbox's root becomes an
 * image of that name.
 *
 * `input` is never in it: the supervisor gets stdin as a file descriptor, whatever its size.
 */
#ifndef WIRE_ORDER_H
#define WIRE_ORDER_H

#include "wire/request.h"

#include <sys/types.h>

/* Images made by setup steps are named: this repository, a colon, and this many digits (hex). */
#define ORDER_COMMIT_REPOSITORY "light-runner/setup"
enum { ORDER_COMMIT_DIGITS = 48 };

/* ms. The longest time that a session may be without a command. */
#define ORDER_IDLE_MAX (3650ull * 24 * 3600 * 1000)

struct run_order {
    char *id;         /* light-runner-<12 hex> */
    char *commit;     /* NULL: the sandbox's root is not kept */
    bool logs;        /* false: nobody listens, so the output is discarded at its source */
    bool progress;    /* the caller wants PROGRESS frames */
    uint64_t idle_ms; /* of a session; 0: it is a run */
    mode_t umask;     /* the caller's. Not in the document: the supervisor inherits it */
    struct request request;
};

/* Returns whether the text is light-runner-<12 lower-case hex>. The id becomes the name of folders
 * and cgroups. */
bool order_id_is_valid(const char *id);

int order_parse(struct run_order *out, const char *json, size_t length, lrun_error *err);

/* Returns a new reference; NULL when memory is out. */
json_t *order_to_json(const struct run_order *order);

void order_free(struct run_order *order);
#define cleanup_order __attribute__((cleanup(order_free)))

#endif
