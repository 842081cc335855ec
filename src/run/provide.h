/* SPDX-License-Identifier: MIT */
/*
 * The image of a run, before there is a sandbox: pulled when the engine does not have it, and with
 * the setup steps of the request (`run`) done in it.
 */
#ifndef RUN_PROVIDE_H
#define RUN_PROVIDE_H

#include "engine/engine.h"
#include "run/steps.h"
#include "run/watch.h"

struct provided {
    char *name; /* what the image goes by on the engine from now on; malloc'd */
    char
        setup_kernel[STEPS_KERNEL_SIZE]; /* that the setup steps have run on; "": there are none, or
                                             they were done before */
};

/*
 * 0, or -1: with watch->cancelled there is no error, the run is to end.
 * Errors: START_FAILED (no such image, it cannot be pulled, a step failed).
 */
int provide_image(struct provided *out, const char *id, const struct engine *engine,
                  const struct request *r, struct watch *watch, lrun_error *err);

#endif
