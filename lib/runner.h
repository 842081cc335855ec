/* SPDX-License-Identifier: MIT */
/*
 * A runner keeps its options as the JSON object that a request's `options` are, and lays them
 * beneath those of every request.
 */
#ifndef LIB_RUNNER_H
#define LIB_RUNNER_H

#include "lightrunner.h"

#include <jansson.h>

struct lrun_runner {
    json_t *options; /* never changed once made: threads share it */
    char *supervisor;
};

/*
 * Takes an option struct of the caller, who may have been compiled against an older or a newer
 * header: what the caller's lacks is zero, what ours lacks must be zero.
 */
int runner_take_struct(void *to, size_t known, const void *from, size_t given, const char *name,
                       lrun_error *err);

/* Fills such a struct of the caller's, whose size is `given`: it gets the fields that it has, and zeros for what is not
 * known here. */
int runner_give_struct(void *to, size_t given, const void *from, size_t known, const char *name,
                       lrun_error *err);

#endif
