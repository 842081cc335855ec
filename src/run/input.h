/* SPDX-License-Identifier: MIT */
/*
 * Reads the bytes for the command's stdin without waiting for them.
 *
 * The file description belongs to the caller, and others may share it: another run, another process
 * of the same pipeline, a shell on the same terminal. So we cannot set O_NONBLOCK on it, because
 * that would change it for all of them. And poll() promises nothing, because another reader may
 * take the bytes before we do.
 */
#ifndef RUN_INPUT_H
#define RUN_INPUT_H

#include <stdbool.h>
#include <sys/types.h>

/* Whether poll() can wait for data on it. Files and disks are always ready. */
bool input_is_pollable(int fd);

/*
 * read() of a pollable fd, as if O_NONBLOCK were set on it: -1 with EAGAIN or EINTR when nothing is
 * there. Takes INPUT_WAIT_MS at most, and no time where the kernel supports reading without
 * waiting. The process must not use SIGALRM or ITIMER_REAL for anything else.
 */
enum { INPUT_WAIT_MS = 5 };
ssize_t input_read(int fd, void *to, size_t length);

#endif
