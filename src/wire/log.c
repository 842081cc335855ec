/* SPDX-License-Identifier: MIT */
#include "wire/log.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

int log_append(int fd, enum frame_type stream, const char *data, size_t length, lrun_error *err)
{
    while (length > 0) {
        size_t piece = length < FRAME_DATA_MAX ? length : FRAME_DATA_MAX;
        char head[FRAME_HEADER_SIZE + LOG_TIME_SIZE];
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        uint64_t ms = htole64((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
        frame_header(head, stream, FRAME_COMMAND, (uint32_t)(piece + LOG_TIME_SIZE));
        memcpy(head + FRAME_HEADER_SIZE, &ms, LOG_TIME_SIZE);
        struct iovec parts[2] = {{head, sizeof(head)}, {(void *)(uintptr_t)data, piece}};
        size_t whole = sizeof(head) + piece;
        off_t before = lseek(fd, 0, SEEK_END);
        /* One call for the whole piece. A reader may see a part of it, but only for a moment. */
        ssize_t n = writev(fd, parts, 2);
        if (n < 0 && errno == EINTR)
            continue;
        if (n != (ssize_t)whole) {
            int failed = n < 0 ? errno : ENOSPC;
            /* Remove an incomplete piece: no reader could get past it. */
            if (n > 0 && before >= 0 && ftruncate(fd, before) < 0)
                failed = errno;
            return error_errno(err, LRUN_IO_FAILED, "log.append", failed, "cannot keep the output");
        }
        data += piece;
        length -= piece;
    }
    return 0;
}

void log_reader_init(struct log_reader *r, int fd)
{
    *r = (struct log_reader){.fd = fd};
    buffer_init(&r->in, 2 * (LOG_PAYLOAD_MAX + FRAME_HEADER_SIZE));
}

void log_reader_free(struct log_reader *r)
{
    buffer_free(&r->in);
}

/* Returns whether it read any bytes. */
static bool fill(struct log_reader *r)
{
    size_t room = buffer_room(&r->in), want = room < 65536 ? room : 65536;
    char *to = want ? buffer_reserve(&r->in, want) : NULL;
    ssize_t n;
    if (!to)
        return false;
    do {
        n = read(r->fd, to, want);
    } while (n < 0 && errno == EINTR);
    if (n > 0)
        buffer_commit(&r->in, (size_t)n);
    return n > 0;
}

int log_reader_next(struct log_reader *r, struct log_piece *out)
{
    if (r->frame.type)
        frame_consume(&r->in, &r->frame);
    r->frame.type = 0;
    for (;;) {
        struct frame f;
        switch (frame_peek(&r->in, LOG_PAYLOAD_MAX, &f)) {
        case FRAME_OK:
            if ((f.type != FRAME_LOG_STDOUT && f.type != FRAME_LOG_STDERR) ||
                f.command != FRAME_COMMAND || f.length < LOG_TIME_SIZE)
                return -1;
            uint64_t ms;
            memcpy(&ms, f.payload, LOG_TIME_SIZE);
            *out = (struct log_piece){
                .stream = f.type == FRAME_LOG_STDOUT ? LRUN_STDOUT : LRUN_STDERR,
                .time_ms = (int64_t)(le64toh(ms) & INT64_MAX),
                .data = f.payload + LOG_TIME_SIZE,
                .length = f.length - LOG_TIME_SIZE,
            };
            r->frame = f;
            return 1;
        case FRAME_PARTIAL:
            if (!fill(r))
                return 0;
            break;
        case FRAME_BROKEN:
            return -1;
        }
    }
}
