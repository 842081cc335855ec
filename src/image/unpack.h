/* SPDX-License-Identifier: MIT */
/*
 * What light-runner-unpack and the import agree on.
 *
 *      light-runner-unpack unpack FOLDER [MAX_BYTES]   the archive is stdin
 *      light-runner-unpack digest                      the file is stdin; prints SHA-256 in hex
 *
 * `unpack` prints how many devices, fifos and sockets it has left out.
 */
#ifndef IMAGE_UNPACK_H
#define IMAGE_UNPACK_H

enum unpack_exit {
    UNPACK_OK = 0,
    UNPACK_INVALID = 3, /* the archive is at fault; stderr says how */
    UNPACK_FAILED = 4,  /* the machine is */
};

#endif
