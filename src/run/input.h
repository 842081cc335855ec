/* SPDX-License-Identifier: MIT */
/*
 * Reading the bytes for the command's stdin without waiting for them.
 *
 * The file description is the caller's, and others may have it too: another run, another process of the
 * same pipeline, a shell on the same terminal. So O_NONBLOCK cannot be set on it, for that would change
 * it for all of them; and poll() promises nothing, because another reader may take the bytes before we
 * do.
 */
#ifndef RUN_INPUT_H
#define RUN_INPUT_H

#include <stdbool.h>
#include <sys/types.h>

/* Whether there is anything to wait for with poll(): files and disks always have their bytes. */
bool input_is_pollable(int fd);

/*
 * read() of a pollable fd, as if O_NONBLOCK were set on it: -1 with EAGAIN or EINTR when nothing is
 * there. Takes INPUT_WAIT_MS at most, and no time at all where the kernel can do without waiting.
 * The process must not use SIGALRM or ITIMER_REAL for anything else.
 */
enum { INPUT_WAIT_MS = 5 };
ssize_t input_read(int fd, void *to, size_t length);

#endif
