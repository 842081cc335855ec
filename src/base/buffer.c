/* SPDX-License-Identifier: MIT */
#include "base/buffer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void buffer_init(struct buffer *b, size_t max)
{
    *b = (struct buffer){.max = max};
}

void buffer_free(struct buffer *b)
{
    free(b->data);
    *b = (struct buffer){0};
}

char *buffer_reserve(struct buffer *b, size_t length)
{
    size_t held = buffer_length(b);
    if (length > b->max - held)
        return NULL;
    if (b->capacity - b->end >= length)
        return b->data + b->end;
    /* Move to the front only when that frees at least half, so that a long queue that is consumed
     * in small steps is not copied again and again. */
    if (b->start > 0 && (held == 0 || (b->start >= held && b->capacity - held >= length))) {
        memmove(b->data, b->data + b->start, held);
        b->start = 0;
        b->end = held;
        if (b->capacity - b->end >= length)
            return b->data + b->end;
    }
    size_t want = b->capacity ? b->capacity : 4096;
    while (want - held < length)
        want *= 2;
    char *fresh = malloc(want);
    if (!fresh)
        return NULL;
    if (held)
        memcpy(fresh, b->data + b->start, held);
    free(b->data);
    b->data = fresh;
    b->capacity = want;
    b->start = 0;
    b->end = held;
    return b->data + b->end;
}

void buffer_commit(struct buffer *b, size_t length)
{
    assert(length <= b->capacity - b->end);
    b->end += length;
}

bool buffer_append(struct buffer *b, const void *data, size_t length)
{
    if (length == 0)
        return true;
    char *to = buffer_reserve(b, length);
    if (!to)
        return false;
    memcpy(to, data, length);
    b->end += length;
    return true;
}

void buffer_consume(struct buffer *b, size_t length)
{
    assert(length <= buffer_length(b));
    b->start += length;
    if (b->start == b->end)
        b->start = b->end = 0;
}

void buffer_clear(struct buffer *b)
{
    b->start = b->end = 0;
}
