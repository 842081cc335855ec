/* SPDX-License-Identifier: MIT */
/*
 * A runner keeps its options as a JSON object, in the form of a request's `options`, and adds them
 * to every request that does not set them itself.
 */
#ifndef LIB_RUNNER_H
#define LIB_RUNNER_H

#include "lightrunner.h"

#include <jansson.h>

struct lrun_runner {
    json_t *options; /* never changed after creation, because threads share it */
    char *supervisor;
};

/*
 * Copies a struct from a caller that may have been compiled against an older or a newer header. *to
 * holds the defaults: members that the caller's struct lacks keep them. Members that our struct
 * lacks must be zero.
 */
int runner_take_struct(void *to, size_t known, const void *from, size_t given, const char *name,
                       lrun_error *err);

/* Fills a caller's struct of size `given`: it gets the members that it has, and zeros for members
 * that this version does not know. */
int runner_give_struct(void *to, size_t given, const void *from, size_t known, const char *name,
                       lrun_error *err);

/* Accepts an open fd, and -1 for none. Errors: INVALID_ARGUMENT, with the field's name. */
int runner_check_fd(int fd, const char *name, lrun_error *err);

/* Copies the caller's callbacks, or sets none. Errors: INVALID_ARGUMENT. */
int runner_take_callbacks(lrun_callbacks *to, const lrun_callbacks *from, lrun_error *err);

#endif
