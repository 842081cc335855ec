/* SPDX-License-Identifier: MIT */
/*
 * Passing a program's output on to one of our own fds, whatever is at its other end: a reader that
 * has gone, one that does not read, a full disk.
 */
#ifndef CLI_RELAY_H
#define CLI_RELAY_H

#include <stdbool.h>
#include <stddef.h>

struct relay {
    int fd;
    int error;    /* errno of what closed it; EPIPE: the reader has gone. 0: it is open */
    bool in_line; /* the last byte was no newline */
};

/*
 * Writes all. Once `*stopping` is not 0 (a signal handler sets it), a reader that takes nothing for
 * two seconds counts as gone. After an error all further output is dropped.
 */
void relay_write(struct relay *r, const char *data, size_t length, const volatile int *stopping);

#endif
