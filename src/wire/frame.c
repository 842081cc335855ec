/* SPDX-License-Identifier: MIT */
#include "wire/frame.h"

#include <string.h>

enum frame_status frame_peek(const struct buffer *in, size_t max_payload, struct frame *out)
{
    size_t have = buffer_length(in);
    if (have == 0)
        return FRAME_PARTIAL;
    const unsigned char *h = (const unsigned char *)buffer_data(in);
    /* Reject garbage at its first byte instead of waiting for a whole header of it. */
    for (size_t i = 0; i < 4 && i < have; i++)
        if ((i == 0) == (h[i] == 0))
            return FRAME_BROKEN;
    if (have < FRAME_HEADER_SIZE)
        return FRAME_PARTIAL;
    uint32_t length =
        (uint32_t)h[4] | (uint32_t)h[5] << 8 | (uint32_t)h[6] << 16 | (uint32_t)h[7] << 24;
    if (length > max_payload)
        return FRAME_BROKEN;
    if (have - FRAME_HEADER_SIZE < length)
        return FRAME_PARTIAL;
    *out = (struct frame){
        .type = h[0],
        .length = length,
        .payload = (const char *)h + FRAME_HEADER_SIZE,
    };
    return FRAME_OK;
}

void frame_consume(struct buffer *in, const struct frame *f)
{
    buffer_consume(in, FRAME_HEADER_SIZE + (size_t)f->length);
}

void frame_header(char header[FRAME_HEADER_SIZE], enum frame_type type, uint32_t length)
{
    memset(header, 0, 4);
    header[0] = (char)type;
    for (int i = 0; i < 4; i++)
        header[4 + i] = (char)(length >> (8 * i));
}

bool frame_append(struct buffer *out, enum frame_type type, const void *payload, size_t length)
{
    if (length > UINT32_MAX || length > SIZE_MAX - FRAME_HEADER_SIZE)
        return false;
    char *to = buffer_reserve(out, FRAME_HEADER_SIZE + length);
    if (!to)
        return false;
    frame_header(to, type, (uint32_t)length);
    if (length)
        memcpy(to + FRAME_HEADER_SIZE, payload, length);
    buffer_commit(out, FRAME_HEADER_SIZE + length);
    return true;
}
