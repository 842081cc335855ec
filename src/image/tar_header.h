/* SPDX-License-Identifier: MIT */
/*
 * The header of a regular file in a tar that we write ourselves, of files whose names are ours: POSIX.1-1988 (ustar).
 */
#ifndef IMAGE_TAR_HEADER_H
#define IMAGE_TAR_HEADER_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum { TAR_BLOCK = 512, TAR_END_BLOCKS = 2 };

/* The file's data follows, up to a whole block; TAR_END_BLOCKS empty blocks are behind the last file. */
void tar_header_fill(char block[TAR_BLOCK], const char *name, unsigned mode, uint64_t size);

/* A tar of one program. malloc'd; NULL when memory is out. */
char *tar_of_file(size_t *length, const char *name, const char *data, size_t size);

/* The same of the installed agent, under a name of the caller's choice. malloc'd; NULL with an error of that operation. Errors:
 * IO_FAILED. */
char *tar_of_agent(size_t *length, const char *name, const char *operation, lrun_error *err);

#endif
