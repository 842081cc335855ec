/* SPDX-License-Identifier: MIT */
/*
 * What skopeo says when it fails, as an error.
 */
#ifndef IMAGE_PULL_ERROR_H
#define IMAGE_PULL_ERROR_H

#include "base/error.h"

#include <stdbool.h>

/* `text` is skopeo's stderr, printable and of one line. Returns -1. */
int pull_error_from_text(const char *text, const char *reference, lrun_error *err);

/* Whether skopeo has failed at choosing from an index. */
bool pull_error_is_of_index(const lrun_error *e);

#endif
