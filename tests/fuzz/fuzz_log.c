/* SPDX-License-Identifier: MIT */
/*
 * The kept output of a run, damaged in any way. Reading it comes to an end and returns no more
 * bytes than there are. Output that is appended is read back, even by a reader that reads while it
 * grows.
 */
#include "fuzz.h"

#include "base/cleanup.h"
#include "wire/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static int make_file(const void *data, size_t size)
{
    int fd = memfd_create("log", MFD_CLOEXEC);
    PROMISE(fd >= 0 && write(fd, data, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

/* Returns the number of bytes in all pieces. *last is the reader's last answer. */
static size_t read_all(struct log_reader *r, size_t most, int *last)
{
    size_t total = 0;
    struct log_piece piece;
    while ((*last = log_reader_next(r, &piece)) > 0) {
        PROMISE(piece.length <= FRAME_DATA_MAX && piece.time_ms >= 0);
        PROMISE(piece.stream == LRUN_STDOUT || piece.stream == LRUN_STDERR);
        total += piece.length;
        PROMISE(total <= most);
    }
    return total;
}

static void read_as_log(const uint8_t *data, size_t size)
{
    cleanup_close int fd = make_file(data, size);
    struct log_reader r;
    int last;
    log_reader_init(&r, fd);
    read_all(&r, size, &last);
    /* A reader may find more after an end, but not after damage. Here it finds no more bytes. */
    PROMISE(read_all(&r, size, &last) == 0);
    log_reader_free(&r);
}

/* Appends the same bytes as output. Like a follower, a second file description reads meanwhile. */
static void append_and_follow(const uint8_t *data, size_t size)
{
    cleanup_close int fd = make_file("", 0);
    char path[32];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    cleanup_close int other = open(path, O_RDONLY | O_CLOEXEC);
    PROMISE(other >= 0);
    struct log_reader r;
    lrun_error err = {0};
    int last;
    log_reader_init(&r, other);
    for (size_t half = size / 2, at = 0, i = 0; i < 2; i++, at = half, half = size - half) {
        PROMISE(log_append(fd, FRAME_LOG_STDERR, (const char *)data + at, half, &err) == 0);
        PROMISE(read_all(&r, half, &last) == half && last == 0);
    }
    log_reader_free(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_as_log(data, size);
    append_and_follow(data, size);
    return 0;
}
