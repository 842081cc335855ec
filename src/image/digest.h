/* SPDX-License-Identifier: MIT */
/*
 * SHA-256, computed by light-runner-unpack: only it links a library for it.
 */
#ifndef IMAGE_DIGEST_H
#define IMAGE_DIGEST_H

#include "image/feedback.h"
#include "image/image.h"

#include <stddef.h>

/* Of an open file from its beginning, as 64 hex digits. `feedback` may be NULL. Errors: IO_FAILED,
 * INTERNAL, NOT_SUPPORTED (the helper is missing). */
int digest_of_file(char hex[IMAGE_HEX_LENGTH + 1], int fd, struct image_feedback *feedback,
                   lrun_error *err);

/* The same of what is behind the fd's position, which is moved. */
int digest_of_rest(char hex[IMAGE_HEX_LENGTH + 1], int fd, struct image_feedback *feedback,
                   lrun_error *err);

int digest_of_text(char hex[IMAGE_HEX_LENGTH + 1], const char *text, size_t length,
                   lrun_error *err);

#endif
