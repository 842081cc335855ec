/* SPDX-License-Identifier: MIT */
/*
 * Turns skopeo's error messages into errors.
 */
#ifndef IMAGE_PULL_ERROR_H
#define IMAGE_PULL_ERROR_H

#include "base/error.h"

#include <stdbool.h>

/* `text` is skopeo's stderr: printable, a single line. Returns -1. */
int pull_error_from_text(const char *text, const char *reference, lrun_error *err);

/* Whether skopeo failed to choose an image from an index. */
bool pull_error_is_of_index(const lrun_error *e);

#endif
