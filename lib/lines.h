/* SPDX-License-Identifier: MIT */
/*
 * Cuts one stream of output into lines, for on_line. The part of an unfinished line that is held
 * has a maximum length.
 */
#ifndef LIB_LINES_H
#define LIB_LINES_H

#include "base/buffer.h"
#include "lightrunner.h"

enum { LINES_MAX = 16 * 1024 * 1024 }; /* a longer line is delivered in parts of this length */

struct lines {
    struct buffer held; /* the beginning of the unfinished line */
    lrun_stream stream;
    lrun_output_fn deliver;
    void *user;
};

void lines_init(struct lines *l, lrun_stream stream, lrun_output_fn deliver, void *user);
void lines_free(struct lines *l);

/* Delivers every line that ends in `data`, without its newline. A '\r' is kept. */
void lines_push(struct lines *l, const char *data, size_t length);

/* The stream has ended: delivers a last line that had no newline. */
void lines_finish(struct lines *l);

#endif
