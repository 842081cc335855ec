/* SPDX-License-Identifier: MIT */
/*
 * A stream of frames arrives in two ways: all at once, and in pieces whose size the first byte
 * gives. Both must be cut into the same frames, up to the same broken frame.
 */
#include "fuzz.h"

#include "wire/frame.h"

#include <string.h>

enum { MAX_PAYLOAD = 4096 };

struct summary {
    size_t frames, bytes;
    unsigned digest;
    bool broken;
};

static void drain(struct buffer *b, struct summary *s)
{
    struct frame f;
    enum frame_status status = FRAME_PARTIAL;
    while (!s->broken && (status = frame_peek(b, MAX_PAYLOAD, &f)) == FRAME_OK) {
        PROMISE(f.type != 0 && f.length <= MAX_PAYLOAD);
        PROMISE(frame_number_fits(f.type, f.command));
        s->frames++;
        s->bytes += f.length;
        s->digest = s->digest * 31 + f.command;
        for (uint32_t i = 0; i < f.length; i++)
            s->digest = s->digest * 31 + (unsigned char)f.payload[i];
        frame_consume(b, &f);
    }
    if (status == FRAME_BROKEN)
        s->broken = true;
}

static struct summary read_in_pieces(const uint8_t *data, size_t size, size_t piece)
{
    struct summary s = {0};
    struct buffer b;
    buffer_init(&b, MAX_PAYLOAD + FRAME_HEADER_SIZE);
    while (size > 0 && !s.broken) {
        size_t n = size < piece ? size : piece;
        n = n < buffer_room(&b) ? n : buffer_room(&b);
        PROMISE(n > 0); /* a frame within the limit always fits */
        PROMISE(buffer_append(&b, data, n));
        data += n;
        size -= n;
        drain(&b, &s);
    }
    buffer_free(&b);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct summary all = read_in_pieces(data + 1, size - 1, SIZE_MAX);
    struct summary some = read_in_pieces(data + 1, size - 1, 1 + data[0] % 64u);
    PROMISE(all.frames == some.frames && all.bytes == some.bytes);
    PROMISE(all.digest == some.digest && all.broken == some.broken);
    return 0;
}
