/* SPDX-License-Identifier: MIT */
/*
 * A file from a web server, into an open file of ours, with its SHA-512.
 */
#ifndef INSTALL_DOWNLOAD_H
#define INSTALL_DOWNLOAD_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum { DOWNLOAD_HEX_LENGTH = 128 };

struct download {
    const char *url;
    uint64_t max_bytes;
    bool bar; /* a line of progress on stderr */
};

/* The server has no such file: an error as well, but one that may be the answer to a question. */
enum { DOWNLOAD_MISSING = -2 };

/* Into fd, from its beginning. The digest of what came is in hex. 0, -1 or DOWNLOAD_MISSING. Errors: IO_FAILED (the
 * server does not answer, has no such file, stalls or sends too much). */
int download_file(int fd, const struct download *d, char hex[DOWNLOAD_HEX_LENGTH + 1],
                  lrun_error *err);

/* The digest in the server's own `<url>.sha512`. The same. */
int download_digest(const char *url, char hex[DOWNLOAD_HEX_LENGTH + 1], lrun_error *err);

#endif
