/* SPDX-License-Identifier: MIT */
/*
 * The bytes that a Docker daemon sends over an attach: the head of an HTTP answer, then the stream.
 * The first byte says in which pieces they come. However the bytes are cut, they give the same
 * streams.
 */
#include "fuzz.h"

#include "engine/docker/stream.h"

#include <stdlib.h>
#include <string.h>

struct outcome {
    bool valid;
    size_t streams[4]; /* bytes of each */
    size_t sum;        /* a checksum of all bytes in their order */
};

/* Reads the stream in pieces of at most `piece` bytes, and takes at most `room` bytes each time. */
static struct outcome run(const char *data, size_t length, size_t piece, size_t room)
{
    struct outcome o = {.valid = true};
    struct stream s = {.have = 0};
    while (length > 0) {
        size_t taken, payload, have = length < piece ? length : piece;
        int which;
        o.valid = stream_next(&s, data, have, &taken, &which, &payload);
        if (!o.valid)
            return o;
        PROMISE(taken + payload <= have);
        PROMISE(payload == 0 || (which >= STREAM_STDOUT && which <= STREAM_DAEMON));
        size_t n = payload < room ? payload : room;
        for (size_t i = 0; i < n; i++)
            o.sum = o.sum * 31 + (unsigned char)data[taken + i] + (size_t)which;
        o.streams[which] += n;
        stream_advance(&s, n);
        PROMISE(taken + n > 0);
        data += taken + n;
        length -= taken + n;
    }
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const char *text = (const char *)data + 1;
    size_t length = size - 1, head;
    /* In memory of its own, so that the sanitizers see a read past its end. */
    char *copy = malloc(length ? length : 1);
    PROMISE(copy);
    memcpy(copy, text, length);
    long status = stream_head(copy, length, &head);
    PROMISE(head <= length && status >= -1 && status <= 999);
    if (status <= 0)
        head = 0;
    struct outcome whole = run(copy + head, length - head, SIZE_MAX, SIZE_MAX);
    struct outcome cut = run(copy + head, length - head, 1 + data[0] % 16, 1 + data[0] / 16);
    PROMISE(whole.valid == cut.valid);
    PROMISE(!whole.valid || memcmp(&whole, &cut, sizeof(whole)) == 0);
    free(copy);
    return 0;
}
