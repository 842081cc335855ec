/* SPDX-License-Identifier: MIT */
/*
 * Questions that belong to no run. A question takes the place of a request; question and answer are
 * JSON. This is not a public document.
 *
 *      {"ask": "available", "engine": "auto", "runtime": "runsc"}  {"engine": "docker"}
 *      {"ask": "reap", "engine": "docker", "minAgeMs": 300000}     {"containers": 1, "volumes": 1,
 *                                                                  "error": {...}}
 *      {"ask": "network", "engine": "auto", "action": "create", "name": "x"}
 *      {"ask": "network", ..., "action": "remove" | "exists", "name": "x"}  {"exists": true}
 *      {"ask": "network", ..., "action": "prune"}                  {"removed": 2}
 *      {"ask": "images", "engine": "auto"}                         {"removed": 3, "error": {...}}
 *      {"ask": "image", ...}                                       run/images.h
 *      {"ask": "doctor", "full": true}                             run/doctor.h
 *
 * "reap" and "images" cover every engine if the engine is "auto". `error` is there if a part failed.
 */
#ifndef RUN_HOUSEKEEPING_H
#define RUN_HOUSEKEEPING_H

#include "run/watch.h"

#include <jansson.h>

/* *answer is a new reference. `watch` receives the progress of work on images. Errors:
 * INVALID_ARGUMENT, and those of the engine. */
int housekeeping_answer(json_t **answer, const char *question, size_t length, struct watch *watch,
                        lrun_error *err);

#endif
