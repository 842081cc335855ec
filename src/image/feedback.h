/* SPDX-License-Identifier: MIT */
/*
 * What whoever imports or pulls an image gets to know while it is under way, and at the end.
 */
#ifndef IMAGE_FEEDBACK_H
#define IMAGE_FEEDBACK_H

#include <stdbool.h>
#include <stdint.h>

struct image_feedback {
    /* Called a few times a second, with the bytes read or downloaded so far (0 when that cannot be
     * told). Other than 0 stops the work, which then fails. May be NULL. */
    int (*progress)(void *user, uint64_t done);
    void *user;
    bool want_total;       /* a pull asks the registry for the sizes first */
    uint64_t total;        /* set by a pull, before its first progress: bytes; 0: not known */
    uint64_t skipped;      /* set at the end: devices, fifos and sockets that were left out */
    char architecture[32]; /* set at the end, when it is not this machine's: e.g. "arm64" */
};

#endif
