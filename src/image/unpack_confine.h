/* SPDX-License-Identifier: MIT */
/*
 * What the unpacker does to itself before it reads a byte of the archive. The rest of its walls is there when it is
 * started (image/confinement.h).
 */
#ifndef IMAGE_UNPACK_CONFINE_H
#define IMAGE_UNPACK_CONFINE_H

#include "base/error.h"

#include <stdint.h>

/*
 * Makes `folder` the root of this process, so that links of the archive lead nowhere else, and gives up all capabilities
 * but the four that restoring files takes. Limits memory, and the size of a file.
 */
int unpack_confine(const char *folder, uint64_t max_file_bytes, lrun_error *err);

/* Limits the address space, for a process that needs nothing else of this. */
int unpack_limit_memory(uint64_t bytes, lrun_error *err);

#endif
