/* SPDX-License-Identifier: MIT */
/*
 * The interface between light-runner-unpack and the programs that start it.
 *
 *      light-runner-unpack unpack MAX_BYTES OWNERS
 *              reads an archive from stdin
 *      light-runner-unpack layers MAX_BYTES OWNERS HEX...
 *              reads the layers from fd 3 and the fds after it;
 *              HEX is the digest of each unpacked layer
 *      light-runner-unpack pack MAX_BYTES OWNERS
 *              the reverse: prints the folder as a tar
 *      light-runner-unpack document KIND [NAME]
 *              reads an image's document from stdin, and prints its fields
 *              (image/layout_document.h)
 *      light-runner-unpack digest
 *              reads a file from stdin, and prints its SHA-256 in hex
 *
 * The folder to unpack to is UNPACK_TARGET. OWNERS is 1 to restore the files' owners, else 0. All
 * commands start in a confinement (image/confinement.h), except `digest`, which does not interpret
 * its input.
 *
 * `unpack` and `layers` print three values, separated by spaces: the number of devices, fifos and
 * sockets that they left out, the length of the longest name, and the ids above 65535
 * (image/high_ids.h).
 */
#ifndef IMAGE_UNPACK_H
#define IMAGE_UNPACK_H

/* Limit on the unpacked size of an archive, or of all layers of an image together. */
#define UNPACK_MAX_BYTES (64ull << 30)

/* Limit on the size of a tar with that much data: each entry may add headers, long names,
 * attributes and padding. */
#define UNPACK_TAR_MAX_BYTES(bytes) ((bytes) + (UNPACK_MAX_ENTRIES + 1) * UNPACK_ENTRY_COST)
#define UNPACK_MAX_ENTRIES          2000000ull
#define UNPACK_ENTRY_COST           4096ull

#define UNPACK_TARGET "/target"

enum {
    UNPACK_MAX_LAYERS = 127, /* Docker's own limit */
    UNPACK_FIRST_LAYER = 3,
};

enum unpack_exit {
    UNPACK_OK = 0,
    UNPACK_INVALID = 3, /* the archive is bad; stderr says why */
    UNPACK_FAILED = 4,  /* the machine failed */
};

#endif
