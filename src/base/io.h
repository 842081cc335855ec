/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing fds. Every wait has a deadline: a point in time of clock_ms().
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

/* poll() timeout until the deadline: 0 when it has passed, -1 for IO_NO_DEADLINE. */
int io_poll_timeout(int64_t deadline);

int io_set_nonblock(int fd, bool on);

/* Waits for poll() events of one fd. 0, or -1 with errno (ETIMEDOUT at the deadline). */
int io_wait(int fd, short events, int64_t deadline);

/* Writes all; -1 with errno (ETIMEDOUT at the deadline). Works on blocking and non-blocking fds. */
int io_write_all(int fd, const void *data, size_t length, int64_t deadline);

/* Reads exactly length bytes. 0, or -1 with errno (ETIMEDOUT; ENODATA at the end of the file). */
int io_read_exact(int fd, void *data, size_t length, int64_t deadline);

/* Reads a whole small file into a malloc'd string, at most max bytes (EFBIG past that). */
char *io_read_file_at(int dirfd, const char *path, size_t max, size_t *length);

/* Writes a short string to an existing file, as the kernel's control files want it. */
int io_write_control(int dirfd, const char *path, const char *text);

/*
 * Writes a file by temporary name and rename within dirfd, so that a reader sees all or nothing, however many write at
 * once: the last rename counts. A process that is killed in between leaves `.name.*.tmp`.
 */
int io_write_file_atomic(int dirfd, const char *name, const void *data, size_t length, mode_t mode);

/* Removes the files of a folder whose names begin with `prefix`, but for those that begin with `kept`. */
void io_remove_others(int dirfd, const char *prefix, const char *kept);

/* The folder again, to read its names from the first; NULL with errno. */
DIR *io_list(int dirfd);

#endif
