/* SPDX-License-Identifier: MIT */
/*
 * Forwards a program's output to one of our own fds. It copes with a reader that is gone, a reader
 * that does not read, and a full disk.
 */
#ifndef CLI_RELAY_H
#define CLI_RELAY_H

#include <stdbool.h>
#include <stddef.h>

struct relay {
    int fd;
    int error;    /* errno of what closed it; EPIPE: the reader is gone; 0: it is open */
    bool in_line; /* the last byte was not a newline */
};

/*
 * Writes everything. Once `*stopping` is not 0 (a signal handler sets it), a reader that accepts
 * nothing for two seconds counts as gone. After an error, all further output is dropped.
 */
void relay_write(struct relay *r, const char *data, size_t length, const volatile int *stopping);

#endif
