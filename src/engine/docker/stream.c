/* SPDX-License-Identifier: MIT */
#include "engine/docker/stream.h"

#include <endian.h>
#include <string.h>

long stream_head(const char *data, size_t have, size_t *length)
{
    static const char version[] = "HTTP/1.1 ", end[] = "\r\n\r\n";
    const size_t known = have < sizeof(version) - 1 ? have : sizeof(version) - 1;
    *length = 0;
    if (memcmp(data, version, known) != 0)
        return -1;
    const char *found = memmem(data, have, end, sizeof(end) - 1);
    if (!found)
        return 0;
    *length = (size_t)(found - data) + sizeof(end) - 1;
    long status = 0;
    const char *digits = data + sizeof(version) - 1;
    for (int i = 0; i < 3; i++) {
        /* Safe without a check of the length: a byte of the blank line fails this test. */
        if (digits[i] < '0' || digits[i] > '9')
            return -1;
        status = status * 10 + (digits[i] - '0');
    }
    return status >= 100 ? status : -1;
}

static bool header_is_valid(const uint8_t *h)
{
    /* Stream 0 would be the container's stdin, which a daemon never sends back. */
    return h[0] >= STREAM_STDOUT && h[0] <= STREAM_DAEMON && h[1] == 0 && h[2] == 0 && h[3] == 0;
}

bool stream_next(struct stream *s, const char *data, size_t length, size_t *taken, int *which,
                 size_t *payload)
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
