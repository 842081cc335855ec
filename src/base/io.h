/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing fds. Every wait has a deadline: a time of clock_ms().
 */
#ifndef BASE_IO_H
#define BASE_IO_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Milliseconds and microseconds of CLOCK_MONOTONIC. */
int64_t clock_ms(void);
int64_t clock_us(void);

#define IO_NO_DEADLINE INT64_MAX

/* Returns the poll() timeout until the deadline: 0 if it has passed, -1 for IO_NO_DEADLINE. */
int io_poll_timeout(int64_t deadline);

int io_set_nonblock(int fd, bool on);

/* Waits for poll() events of one fd. Returns 0, or -1 with errno (ETIMEDOUT at the deadline). */
int io_wait(int fd, short events, int64_t deadline);

/* Writes all bytes to a blocking or non-blocking fd. Returns 0, or -1 with errno (ETIMEDOUT at the
 * deadline). */
int io_write_all(int fd, const void *data, size_t length, int64_t deadline);

/* Reads exactly `length` bytes. Returns 0, or -1 with errno (ETIMEDOUT at the deadline; ENODATA at
 * the end of the file). */
int io_read_exact(int fd, void *data, size_t length, int64_t deadline);

/* Reads a whole small file into a malloc'd string. Fails with EFBIG if it has more than `max`
 * bytes. */
char *io_read_file_at(int dirfd, const char *path, size_t max, size_t *length);

/* Writes a short string to an existing file in one write, as the kernel's control files require. */
int io_write_control(int dirfd, const char *path, const char *text);

/*
 * Writes a temporary file in dirfd and renames it, so that a reader sees all of the file or
 * nothing. Several processes may write the same name at once: the last rename wins. A process that
 * is killed before the rename leaves `.name.*.tmp` behind.
 */
int io_write_file_atomic(int dirfd, const char *name, const void *data, size_t length, mode_t mode);

/* Removes the files in a folder whose names begin with `prefix`, except those that begin with
 * `kept`. */
void io_remove_others(int dirfd, const char *prefix, const char *kept);

/* Opens the folder again, to read its names from the first. Returns NULL with errno on failure. */
DIR *io_list(int dirfd);

#endif
