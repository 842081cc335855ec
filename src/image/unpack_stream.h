/* SPDX-License-Identifier: MIT */
/*
 * The uncompressed bytes of an archive, whatever its compression.
 *
 * libarchive could decompress and parse the tar in a single step, but then we would not see the
 * bytes in between. Their number limits compression bombs (including bombs made of headers alone),
 * and their end tells whether the archive was truncated between two entries, which libarchive
 * treats as a normal end. libarchive also does not verify gzip's checksums, so zlib decompresses
 * gzip.
 */
#ifndef IMAGE_UNPACK_STREAM_H
#define IMAGE_UNPACK_STREAM_H

#include "base/error.h"

#include <stdint.h>
#include <sys/types.h>

struct unpack_stream;

/* Reads from the fd. The stream may be at most `max` bytes long after decompression. Errors: as for
 * unpack_stream_next(). */
int unpack_stream_open(struct unpack_stream **out, int fd, uint64_t max, lrun_error *err);

/*
 * Gives the next bytes, valid until the next call. Returns their number, 0 at the end, -1 on
 * failure; after a failure every call fails with the same error. Errors: IMAGE_INVALID (corrupt,
 * truncated, too large), IO_FAILED, OUT_OF_MEMORY.
 */
ssize_t unpack_stream_next(struct unpack_stream *s, const void **data, lrun_error *err);

/* Returns the number of bytes given out so far. */
uint64_t unpack_stream_total(const struct unpack_stream *s);

void unpack_stream_close(struct unpack_stream *s);

#endif
