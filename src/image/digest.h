/* SPDX-License-Identifier: MIT */
/*
 * SHA-256, computed by light-runner-unpack, so that its callers need no library for it.
 */
#ifndef IMAGE_DIGEST_H
#define IMAGE_DIGEST_H

#include "image/feedback.h"
#include "image/image.h"

#include <stddef.h>

/* Computes the digest of a whole open file, as 64 hex digits. `feedback` may be NULL. Errors:
 * IO_FAILED, INTERNAL, NOT_SUPPORTED (the helper is missing). */
int digest_of_file(char hex[IMAGE_HEX_LENGTH + 1], int fd, struct image_feedback *feedback,
                   lrun_error *err);

/* Like digest_of_file(), but from the current position of the fd, which moves to the end. */
int digest_of_rest(char hex[IMAGE_HEX_LENGTH + 1], int fd, struct image_feedback *feedback,
                   lrun_error *err);

int digest_of_text(char hex[IMAGE_HEX_LENGTH + 1], const char *text, size_t length,
                   lrun_error *err);

#endif
