/* SPDX-License-Identifier: MIT */
/*
 * How the unpacker confines itself before it reads a byte of the archive. Its other walls are in
 * place when it starts (image/confinement.h).
 */
#ifndef IMAGE_UNPACK_CONFINE_H
#define IMAGE_UNPACK_CONFINE_H

#include "base/error.h"

#include <stdint.h>

/*
 * Makes `folder` the root of this process, so that the archive's links cannot lead out of it.
 * Drops all capabilities except the four that restoring files needs. Limits the memory, and
 * the size of a file.
 */
int unpack_confine(const char *folder, uint64_t max_file_bytes, lrun_error *err);

/* Limits the address space, for a process that needs none of the other restrictions. */
int unpack_limit_memory(uint64_t bytes, lrun_error *err);

#endif
