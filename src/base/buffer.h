/* SPDX-License-Identifier: MIT */
/*
 * A byte queue with a stated maximum: append at the end, consume from the front. Nothing that comes
 * from outside can make it grow past the maximum given at init.
 */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

struct buffer {
    char *data;
    size_t start; /* first byte not consumed */
    size_t end;
    size_t capacity;
    size_t max; /* the most bytes that it may hold (end - start) */
};

void buffer_init(struct buffer *b, size_t max);
void buffer_free(struct buffer *b);
#define cleanup_buffer __attribute__((cleanup(buffer_free)))

static inline size_t buffer_length(const struct buffer *b)
{
    return b->end - b->start;
}
static inline const char *buffer_data(const struct buffer *b)
{
    return b->data + b->start;
}
static inline size_t buffer_room(const struct buffer *b)
{
    return b->max - buffer_length(b);
}

/* Appends the bytes. Returns false, and appends nothing, if that would pass the maximum or memory
 * is out. */
bool buffer_append(struct buffer *b, const void *data, size_t length);

/* Makes room for `length` more bytes and returns where they go, so that a read() can fill the
 * buffer directly. Returns NULL in the same cases as above. Then call buffer_commit() with the
 * number of bytes filled. */
char *buffer_reserve(struct buffer *b, size_t length);
void buffer_commit(struct buffer *b, size_t length);

void buffer_consume(struct buffer *b, size_t length);
void buffer_clear(struct buffer *b);

#endif
