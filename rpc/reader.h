/* SPDX-License-Identifier: MIT */
/*
 * Splits the client's bytes into lines. A line that is too long is reported once and skipped to its
 * end, so the following lines are read as usual.
 */
#ifndef RPC_READER_H
#define RPC_READER_H

#include "base/buffer.h"

struct reader {
    struct buffer held;
    size_t scanned; /* bytes of `held` that have no line feed */
    bool skipping;  /* the rest of a line that is too long */
};

enum reader_status { READER_PARTIAL, READER_LINE, READER_TOO_LONG };

void reader_init(struct reader *r, size_t line_max);
void reader_free(struct reader *r);

/* The most bytes that reader_push() takes at once. */
enum { READER_PIECE = 64 * 1024 };

/* Adds bytes, at most READER_PIECE. Call reader_next() until it returns READER_PARTIAL before the
 * next push. Returns false when memory is out. */
bool reader_push(struct reader *r, const char *data, size_t length);

/* Finds the next line. It has no line feed, and is valid until the next call for this reader. */
enum reader_status reader_next(struct reader *r, const char **line, size_t *length);

#endif
