/* SPDX-License-Identifier: MIT */
/*
 * Unpacks a tar into the working directory. The process is already confined (unpack_confine.h).
 */
#ifndef IMAGE_UNPACK_ARCHIVE_H
#define IMAGE_UNPACK_ARCHIVE_H

#include "base/error.h"
#include "image/high_ids.h"

#include <stdbool.h>
#include <stdint.h>

struct unpack_limits {
    uint64_t bytes;   /* of all files together, holes included */
    uint64_t entries; /* number of entries of any kind */
    bool owners;      /* restore owners, which only root can do */
};

/*
 * Call this before the process is confined. It makes the C library load its character set
 * conversions from the machine's files instead of the archive's.
 */
void unpack_archive_prepare(void);

struct unpack_report {
    uint64_t skipped;      /* number of devices, fifos and sockets that were left out */
    uint64_t longest_name; /* in bytes */
    struct high_ids ids;   /* of the files' owners; the caller frees them */
};

/*
 * Unpacks the archive that the fd is open on. Errors: IMAGE_INVALID (the archive), IO_FAILED,
 * OUT_OF_MEMORY (the machine).
 */
int unpack_archive(int fd, const struct unpack_limits *limits, struct unpack_report *report,
                   lrun_error *err);

/*
 * Like unpack_archive(), for the layers of an image, lowest first, which are open as first_fd
 * and the fds after it. Each layer is applied on top of the files that are there
 * (unpack_layer.h), and its uncompressed bytes must have the SHA-256 `digests[i]`, in hex. The
 * limits apply to all layers together.
 */
int unpack_layers(int first_fd, const char *const *digests, size_t count,
                  const struct unpack_limits *limits, struct unpack_report *report,
                  lrun_error *err);

#endif
