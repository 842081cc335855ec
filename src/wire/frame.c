/* SPDX-License-Identifier: MIT */
#include "wire/frame.h"

#include "base/io.h"

#include <errno.h>
#include <string.h>

static uint32_t payload_length(const char *header)
{
    const unsigned char *h = (const unsigned char *)header;
    return (uint32_t)h[4] | (uint32_t)h[5] << 8 | (uint32_t)h[6] << 16 | (uint32_t)h[7] << 24;
}

bool frame_number_fits(uint8_t type, uint16_t command)
{
    switch (type) {
    case FRAME_FAILED:
    case FRAME_EXTRACT:
    case FRAME_EXTRACT_BEGIN:
    case FRAME_EXTRACT_END:
    case FRAME_ENTRY:
    case FRAME_DATA:
    case FRAME_ENTRY_END:
    case FRAME_ENTRIES_END:
        return true;
    case FRAME_LOG_STDOUT:
    case FRAME_LOG_STDERR:
    case FRAME_STARTED:
    case FRAME_START:
    case FRAME_STDIN:
    case FRAME_STDIN_EOF:
    case FRAME_SIGNAL:
    case FRAME_KILL:
    case FRAME_RESIZE:
    case FRAME_HANGUP:
    case FRAME_RUNNING:
    case FRAME_STDOUT:
    case FRAME_STDERR:
    case FRAME_STDIN_CREDIT:
    case FRAME_EXIT:
    case FRAME_LIST:
    case FRAME_STAT:
    case FRAME_READ:
    case FRAME_WRITE:
    case FRAME_REMOVE:
    case FRAME_PUT_TREE:
    case FRAME_ABORT:
    case FRAME_ITEM:
    case FRAME_DONE:
        return command != FRAME_SANDBOX;
    default:
        return command == FRAME_SANDBOX;
    }
}

enum frame_status frame_peek(const struct buffer *in, size_t max_payload, struct frame *out)
{
    size_t have = buffer_length(in);
    if (have == 0)
        return FRAME_PARTIAL;
    const unsigned char *h = (const unsigned char *)buffer_data(in);
    /* Reject garbage at its first bytes instead of waiting for a whole header of it. */
    if (h[0] == 0 || (have > 1 && h[1] != 0))
        return FRAME_BROKEN;
    uint16_t command = have < 4 ? 0 : (uint16_t)(h[2] | h[3] << 8);
    if (have >= 4 && !frame_number_fits(h[0], command))
        return FRAME_BROKEN;
    if (have < FRAME_HEADER_SIZE)
        return FRAME_PARTIAL;
    uint32_t length = payload_length(buffer_data(in));
    if (length > max_payload)
        return FRAME_BROKEN;
    if (have - FRAME_HEADER_SIZE < length)
        return FRAME_PARTIAL;
    *out = (struct frame){
        .type = h[0],
        .command = command,
        .length = length,
        .payload = (const char *)h + FRAME_HEADER_SIZE,
    };
    return FRAME_OK;
}

void frame_consume(struct buffer *in, const struct frame *f)
{
    buffer_consume(in, FRAME_HEADER_SIZE + (size_t)f->length);
}

int frame_read(struct frame *out, struct buffer *in, int fd, size_t max_payload, int64_t deadline)
{
    size_t want = FRAME_HEADER_SIZE;
    for (;;) {
        char *to = buffer_reserve(in, want);
        if (!to) {
            errno = ENOMEM;
            return -1;
        }
        if (io_read_exact(fd, to, want, deadline) < 0)
            return -1;
        buffer_commit(in, want);
        switch (frame_peek(in, max_payload, out)) {
        case FRAME_OK:
            return 0;
        case FRAME_BROKEN:
            errno = EPROTO;
            return -1;
        case FRAME_PARTIAL: /* the header is complete, so the payload is what is missing */
            want = payload_length(buffer_data(in));
        }
    }
}

void frame_header(char header[FRAME_HEADER_SIZE], enum frame_type type, uint16_t command,
                  uint32_t length)
{
    header[0] = (char)type;
    header[1] = 0;
    header[2] = (char)command;
    header[3] = (char)(command >> 8);
    for (int i = 0; i < 4; i++)
        header[4 + i] = (char)(length >> (8 * i));
}

bool frame_append(struct buffer *out, enum frame_type type, uint16_t command, const void *payload,
                  size_t length)
{
    if (length > UINT32_MAX || length > SIZE_MAX - FRAME_HEADER_SIZE)
        return false;
    char *to = buffer_reserve(out, FRAME_HEADER_SIZE + length);
    if (!to)
        return false;
    frame_header(to, type, command, (uint32_t)length);
    if (length)
        memcpy(to + FRAME_HEADER_SIZE, payload, length);
    buffer_commit(out, FRAME_HEADER_SIZE + length);
    return true;
}
