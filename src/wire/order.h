/* SPDX-License-Identifier: MIT */
/*
 * What the REQUEST frame carries: the request, and what only the library and the supervisor have to
 * tell each other. It is no public document.
 *
 *      {"id": "light-runner-0123456789ab", "logs": true, "progress": false, "request": {...}}
 *
 * `commit` is only in the order of setup steps: if the command succeeds, the sandbox's root becomes an image of that name.
 *
 * `input` is never in it: stdin comes to the supervisor as a file descriptor, whatever its size.
 */
#ifndef WIRE_ORDER_H
#define WIRE_ORDER_H

#include "wire/request.h"

#include <sys/types.h>

/* The names of images that are made of setup steps: this repository, a colon, and as many digits (hex). */
#define ORDER_COMMIT_REPOSITORY "light-runner/setup"
enum { ORDER_COMMIT_DIGITS = 48 };

struct run_order {
    char *id;      /* light-runner-<12 hex> */
    char *commit;  /* NULL: nothing of the sandbox's root is kept */
    bool logs;     /* false: nobody listens, output is thrown away at its source */
    bool progress; /* PROGRESS frames are wanted */
    mode_t umask;  /* of the caller; not in the document, as the supervisor inherits it */
    struct request request;
};

/* Whether the text is light-runner-<12 lower-case hex>: it becomes the name of folders and cgroups.
 */
bool order_id_is_valid(const char *id);

int order_parse(struct run_order *out, const char *json, size_t length, lrun_error *err);

/* New reference; NULL when memory is out. */
json_t *order_to_json(const struct run_order *order);

void order_free(struct run_order *order);
#define cleanup_order __attribute__((cleanup(order_free)))

#endif
