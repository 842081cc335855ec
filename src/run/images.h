/* SPDX-License-Identifier: MIT */
/*
 * Questions about images, from a caller that has no run (run/housekeeping.h):
 *
 *      {"ask": "image", "engine": "auto", "action": "pull", "name": "alpine", "insecure": false,
 *       "progress": true}                                                    an image
 *      {"ask": "image", ..., "action": "import", "name": "x"}                an image
 *                                                          (reads SUPERVISOR_INPUT)
 *      {"ask": "image", ..., "action": "list"}                               {"images": [...],
 *                                                                            "error": {...}}
 *      {"ask": "image", ..., "action": "remove", "name": "x"}                {"engine"}
 *
 * An image is {"name", "digest", "size", "created", "engine"}, with {"config"} if the engine knows
 * it, {"skipped"} (how many devices, fifos and sockets an import left out), and {"architecture"} and
 * {"hostArchitecture"} if it is for another machine. `progress` asks for PROGRESS frames. The `error`
 * of a list says why Docker's images are not in it.
 */
#ifndef RUN_IMAGES_H
#define RUN_IMAGES_H

#include "run/watch.h"

#include <jansson.h>

/*
 * *answer is a new reference. The work can take minutes: `watch` reports progress and can stop it.
 * Errors: INVALID_ARGUMENT, IO_FAILED (also when it was stopped), NOT_SUPPORTED, IMAGE_NOT_FOUND,
 * IMAGE_INVALID.
 */
int images_answer(json_t **answer, const json_t *question, struct watch *watch, lrun_error *err);

#endif
