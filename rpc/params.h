/* SPDX-License-Identifier: MIT */
/*
 * The parameters of all methods. Each method names those that it takes.
 */
#ifndef RPC_PARAMS_H
#define RPC_PARAMS_H

#include "queue.h"

#include "base/error.h"

enum param {
    PARAM_RUN = 1 << 0,
    PARAM_CALL = 1 << 1,
    PARAM_NAME = 1 << 2,
    PARAM_PATH = 1 << 3,
    PARAM_IMAGE = 1 << 4,
    PARAM_ENGINE = 1 << 5,
    PARAM_RUNTIME = 1 << 6,
    PARAM_LOGS = 1 << 7,
    PARAM_WINDOW = 1 << 8,
    PARAM_BYTES = 1 << 9,
    PARAM_SIGNAL = 1 << 10,
    PARAM_GRACE = 1 << 11,
    PARAM_FOLLOW = 1 << 12,
    PARAM_SINCE = 1 << 13,
    PARAM_AGE = 1 << 14,
    PARAM_FULL = 1 << 15,
    PARAM_INSECURE = 1 << 16,
    PARAM_PROTOCOL = 1 << 17,
    PARAM_REQUEST = 1 << 18,
};

struct params {
    unsigned given; /* PARAM_... bits */
    char *run, *name, *path, *image, *engine, *runtime;
    json_t *call; /* the id of another call */
    enum log_format logs;
    uint64_t window, bytes, protocol;
    int signal;                         /* 0: the default */
    int64_t grace_ms, since_ms, age_ms; /* -1: the default */
    bool follow, full, insecure;
};

/* `object` may be NULL. Errors: INVALID_ARGUMENT. Free `out` in both cases. */
int params_read(struct params *out, const json_t *object, unsigned allowed, unsigned required,
                lrun_error *err);
void params_free(struct params *p);

#endif
