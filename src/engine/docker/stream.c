/* SPDX-License-Identifier: MIT */
#include "engine/docker/stream.h"

#include <endian.h>
#include <string.h>

static bool header_is_valid(const uint8_t *h)
{
    /* 0 would be the container's stdin, which nobody sends back. */
    return h[0] >= STREAM_STDOUT && h[0] <= STREAM_DAEMON && h[1] == 0 && h[2] == 0 && h[3] == 0;
}

bool stream_next(struct stream *s, const char *data, size_t length, size_t *taken, int *which, size_t *payload)
{
    *taken = *payload = 0;
    *which = 0;
    while (s->left == 0 && *taken < length) {
        size_t want = STREAM_HEADER_SIZE - s->have, rest = length - *taken;
        size_t n = rest < want ? rest : want;
        memcpy(s->header + s->have, data + *taken, n);
        s->have += n;
        *taken += n;
        if (s->have < STREAM_HEADER_SIZE)
            return true;
        if (!header_is_valid(s->header))
            return false;
        uint32_t size;
        memcpy(&size, s->header + 4, sizeof(size));
        s->left = be32toh(size);
        s->have = 0;
    }
    if (s->left > 0) {
        size_t rest = length - *taken;
        *which = s->header[0];
        *payload = rest < s->left ? rest : s->left;
    }
    return true;
}

void stream_advance(struct stream *s, size_t n)
{
    s->left -= (uint32_t)n;
}
