/* SPDX-License-Identifier: MIT */
/*
 * Writes tars of regular files with names that we chose ourselves, in the format
 * POSIX.1-1988 (ustar).
 */
#ifndef IMAGE_TAR_HEADER_H
#define IMAGE_TAR_HEADER_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum { TAR_BLOCK = 512, TAR_END_BLOCKS = 2 };

/* The file's data follows the header, padded to a whole block. TAR_END_BLOCKS empty blocks
 * follow the last file. */
void tar_header_fill(char block[TAR_BLOCK], const char *name, unsigned mode, uint64_t size);

/* Returns a tar that contains one program, malloc'd; NULL if out of memory. */
char *tar_of_file(size_t *length, const char *name, const char *data, size_t size);

/* Like tar_of_file(), for the installed agent, under a name that the caller chooses. Returns NULL
 * with an error of `operation`. Errors: IO_FAILED. */
char *tar_of_agent(size_t *length, const char *name, const char *operation, lrun_error *err);

#endif
