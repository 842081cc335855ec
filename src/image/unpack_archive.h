/* SPDX-License-Identifier: MIT */
/*
 * Unpacks a tar into the working directory, whose process is confined already (unpack_confine.h).
 */
#ifndef IMAGE_UNPACK_ARCHIVE_H
#define IMAGE_UNPACK_ARCHIVE_H

#include "base/error.h"
#include "image/high_ids.h"

#include <stdbool.h>
#include <stdint.h>

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

struct unpack_report {
    uint64_t skipped;      /* devices, fifos and sockets that were left out */
    uint64_t longest_name; /* in bytes */
    struct high_ids ids;   /* of the owners; free them */
};

/*
 * Errors: IMAGE_INVALID (the
 * archive), IO_FAILED, OUT_OF_MEMORY (the machine).
 */
int unpack_archive(int fd, const struct unpack_limits *limits, struct unpack_report *report,
                   lrun_error *err);

/*
 * The same for the layers of an image, lowest first, which are open as first_fd and the numbers
 * behind it: each is put over what is there (unpack_layer.h), and its uncompressed bytes must have
 * the SHA-256 `digests[i]`, in hex. The limits are those of all layers together.
 */
int unpack_layers(int first_fd, const char *const *digests, size_t count,
                  const struct unpack_limits *limits, struct unpack_report *report,
                  lrun_error *err);

#endif
