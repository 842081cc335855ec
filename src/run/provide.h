/* SPDX-License-Identifier: MIT */
/*
 * Provides the image of a run before there is a sandbox: pulls it if the engine does not have it,
 * and executes the setup steps of the request (`run`) in it.
 */
#ifndef RUN_PROVIDE_H
#define RUN_PROVIDE_H

#include "engine/engine.h"
#include "run/steps.h"
#include "run/watch.h"

struct provided {
    char *name; /* the image's name on the engine from now on; malloc'd */
    /* the kernel that the setup steps ran on; "": there are none, or an earlier run did them */
    char setup_kernel[STEPS_KERNEL_SIZE];
};

/*
 * Returns 0 or -1. If watch->cancelled is set, there is no error: the run must end.
 * Errors: START_FAILED (there is no such image, it cannot be pulled, or a step failed).
 */
int provide_image(struct provided *out, const char *id, struct engine *engine,
                  const struct request *r, struct watch *watch, lrun_error *err);

#endif
