/* SPDX-License-Identifier: MIT */
/*
 * The uncompressed bytes of an archive, whatever it is packed with.
 *
 * libarchive could unpack and read the tar in one, but then nobody would see the bytes in between:
 * their number is what bounds a compression bomb (also one made of headers alone), and where they
 * end tells whether the archive was cut off between two entries, which libarchive takes for an
 * ordinary end. And it does not compare the checksums of gzip, so zlib reads that.
 */
#ifndef IMAGE_UNPACK_STREAM_H
#define IMAGE_UNPACK_STREAM_H

#include "base/error.h"

#include <stdint.h>
#include <sys/types.h>

struct unpack_stream;

/* Reads from the fd, at most `max` bytes after decompression. Errors: as unpack_stream_next(). */
int unpack_stream_open(struct unpack_stream **out, int fd, uint64_t max, lrun_error *err);

/*
 * The next bytes, valid until the next call. Returns their number, 0 at the end, -1 on failure;
 * after a failure every call fails with the same error. Errors: IMAGE_INVALID (corrupt, cut off,
 * too large), IO_FAILED, OUT_OF_MEMORY.
 */
ssize_t unpack_stream_next(struct unpack_stream *s, const void **data, lrun_error *err);

/* Bytes given out so far. */
uint64_t unpack_stream_total(const struct unpack_stream *s);

void unpack_stream_close(struct unpack_stream *s);

#endif
