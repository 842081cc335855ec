/* SPDX-License-Identifier: MIT */
/*
 * What light-runner-unpack and the import agree on.
 *
 *      light-runner-unpack unpack MAX_BYTES OWNERS           the archive is stdin
 *      light-runner-unpack layers MAX_BYTES OWNERS HEX...    the layers are fd 3 and those behind it,
 *                                                            HEX the digest of what each unpacks to
 *      light-runner-unpack pack MAX_BYTES OWNERS             the way back: prints the folder as a tar
 *      light-runner-unpack document KIND [NAME]              a document of an image is stdin; prints what it says
 *                                                            (image/layout_document.h)
 *      light-runner-unpack digest                            the file is stdin; prints SHA-256 in hex
 *
 * The folder to unpack to is UNPACK_TARGET; OWNERS is 1 to give files their owners, else 0. All but `digest`, which
 * understands nothing of what it reads, are started in a confinement (image/confinement.h).
 *
 * `unpack` and `layers` print how many devices, fifos and sockets they have left out, the length of the longest name, and the ids
 * above 65535 (image/high_ids.h), with a space between them.
 */
#ifndef IMAGE_UNPACK_H
#define IMAGE_UNPACK_H

/* Of what an archive, or all layers of an image, may unpack to. */
#define UNPACK_MAX_BYTES (64ull << 30)

/* Of a tar of that: headers, long names, attributes and padding for each entry. */
#define UNPACK_TAR_MAX_BYTES(bytes) ((bytes) + (UNPACK_MAX_ENTRIES + 1) * UNPACK_ENTRY_COST)
#define UNPACK_MAX_ENTRIES          2000000ull
#define UNPACK_ENTRY_COST           4096ull

#define UNPACK_TARGET "/target"

enum {
    UNPACK_MAX_LAYERS = 127, /* what Docker takes */
    UNPACK_FIRST_LAYER = 3,
};

enum unpack_exit {
    UNPACK_OK = 0,
    UNPACK_INVALID = 3, /* the archive is at fault; stderr says how */
    UNPACK_FAILED = 4,  /* the machine is */
};

#endif
