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
 * Takes a struct of the caller, who may have been compiled against an older or a newer header. *to holds the
 * defaults: fields that the caller's struct lacks keep them. Fields that ours lacks must be zero.
 */
int runner_take_struct(void *to, size_t known, const void *from, size_t given, const char *name,
                       lrun_error *err);

/* Fills a struct of the caller, whose size is `given`: it gets the fields that it has, and zeros for those that are
 * not known here. */
int runner_give_struct(void *to, size_t given, const void *from, size_t known, const char *name,
                       lrun_error *err);

/* The callbacks of the caller, or none. Errors: INVALID_ARGUMENT. */
int runner_take_callbacks(lrun_callbacks *to, const lrun_callbacks *from, lrun_error *err);

#endif
