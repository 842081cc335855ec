/* SPDX-License-Identifier: MIT */
/*
 * What the caller of an import or a pull learns while it runs, and at its end.
 */
#ifndef IMAGE_FEEDBACK_H
#define IMAGE_FEEDBACK_H

#include <stdbool.h>
#include <stdint.h>

struct image_feedback {
    /* Called a few times a second, with the bytes read or downloaded so far (0 if unknown). A
     * non-zero return stops the work, which then fails. May be NULL. */
    int (*progress)(void *user, uint64_t done);
    void *user;
    bool want_total;  /* a pull asks the registry for the sizes first */
    uint64_t total;   /* in bytes, set by a pull before its first progress; 0: unknown */
    uint64_t skipped; /* set at the end: number of devices, fifos and sockets that were left out */
    char architecture[32]; /* set at the end if it is not this machine's, e.g. "arm64" */
};

#endif
