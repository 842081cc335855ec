/* SPDX-License-Identifier: MIT */
#include "reader.h"

#include <string.h>

void reader_init(struct reader *r, size_t line_max)
{
    *r = (struct reader){0};
    /* Room for the rest of the longest line, its line feed, and a piece. */
    buffer_init(&r->held, line_max + READER_PIECE);
}

void reader_free(struct reader *r)
{
    buffer_free(&r->held);
}

bool reader_push(struct reader *r, const char *data, size_t length)
{
    return buffer_append(&r->held, data, length);
}

enum reader_status reader_next(struct reader *r, const char **line, size_t *length)
{
    size_t line_max = r->held.max - READER_PIECE;
    for (;;) {
        size_t have = buffer_length(&r->held);
        const char *data = buffer_data(&r->held);
        const char *end =
            have > r->scanned ? memchr(data + r->scanned, '\n', have - r->scanned) : NULL;
        size_t size = end ? (size_t)(end - data) : have;
        bool too_long = size > line_max;
        if (!end && !too_long && !r->skipping) {
            r->scanned = have;
            return READER_PARTIAL;
        }
        bool was_skipping = r->skipping;
        r->skipping = !end;
        r->scanned = 0;
        /* The bytes stay where they are until the next push. */
        buffer_consume(&r->held, end ? size + 1 : size);
        if (!was_skipping) {
            *line = data;
            *length = size;
            return too_long ? READER_TOO_LONG : READER_LINE;
        }
        if (!end)
            return READER_PARTIAL;
    }
}
