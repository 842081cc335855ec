/* SPDX-License-Identifier: MIT */
/* Loop devices: the kernel mounts most file systems only from a block device, not from a file. */
#ifndef HOST_LOOP_H
#define HOST_LOOP_H

#include "base/error.h"

#include <stdbool.h>

enum { LOOP_PATH = 32 };

/*
 * Attaches the file to a free loop device, which frees itself with its last user. Returns the
 * device's fd, with its path, or -1 with errno. Waits for other runs that look for a device, and for
 * the disk: the kernel writes to it what it has of the file in memory.
 */
int loop_attach(int file, bool read_only, char path[LOOP_PATH]);

/* Adds a hint to the error, for the errno of loop_attach(). Returns -1. */
int loop_hint(int failed, lrun_error *err);

#endif
