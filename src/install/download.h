/* SPDX-License-Identifier: MIT */
/*
 * Downloads a file from a web server into an open file of ours, and computes its SHA-512.
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
    bool bar; /* show a line of progress on stderr */
};

/* The server has no such file. This is an error, too, but the caller may have
 * asked for just that. */
enum { DOWNLOAD_MISSING = -2 };

/* Downloads to the fd, from its beginning. `hex` gets the digest of the received bytes. Returns
 * 0, -1 or DOWNLOAD_MISSING. Errors: IO_FAILED (the server does not answer, has no such file,
 * stalls or sends too much). */
int download_file(int fd, const struct download *d, char hex[DOWNLOAD_HEX_LENGTH + 1],
                  lrun_error *err);

/* Reads the digest from the server's own `<url>.sha512`. Returns and errors: as download_file(). */
int download_digest(const char *url, char hex[DOWNLOAD_HEX_LENGTH + 1], lrun_error *err);

#endif
