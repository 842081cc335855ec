/* SPDX-License-Identifier: MIT */
/*
 * Unpacks a tar into the working directory, whose process is confined already (unpack_confine.h).
 */
#ifndef IMAGE_UNPACK_ARCHIVE_H
#define IMAGE_UNPACK_ARCHIVE_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define UNPACK_MAX_BYTES   (64ull << 30)
#define UNPACK_MAX_ENTRIES 2000000ull

struct unpack_limits {
    uint64_t bytes;   /* of all files together, holes included */
    uint64_t entries; /* of any kind */
    bool owners;      /* restore owners: only root can */
};

/*
 * Call this before the process is confined: it makes the C library load what it needs for character
 * sets from the machine's own files, not from those of the archive.
 */
void unpack_archive_prepare(void);

/*
 * *skipped is the number of devices, fifos and sockets left out. Errors: IMAGE_INVALID (the
 * archive), IO_FAILED, OUT_OF_MEMORY (the machine).
 */
int unpack_archive(int fd, const struct unpack_limits *limits, uint64_t *skipped, lr_error *err);

#endif
