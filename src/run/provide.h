/* SPDX-License-Identifier: MIT */
/*
 * The image of a run, before there is a sandbox: pulled when the engine does not have it, and with
 * the setup steps of the request (`run`) done in it.
 */
#ifndef RUN_PROVIDE_H
#define RUN_PROVIDE_H

#include "engine/engine.h"
#include "run/output.h"

/* Somebody waits for this: it can take minutes. */
struct provide_watch {
    struct output *output; /* takes PROGRESS frames; `progress` says whether it is to */
    bool progress;
    const char *what; /* "pull", "setup": set by those who do it */
    char setup_kernel
        [65]; /* that the setup steps have run on; "": there are none, or they were done before */
    bool cancelled; /* set when the run was cancelled meanwhile, or its caller has gone */
    /* Called when SUPERVISOR_CALLER is readable: takes what the caller says, and answers it. Returns whether the
     * run is to end. */
    bool (*on_caller)(void *user);
    void *user;
};

/*
 * *name is what the image goes by on the engine from now on; malloc'd. 0, or -1: with
 * watch->cancelled there is no error, the run is to end.
 * Errors: CONTAINER_START_FAILED (no such image, it cannot be pulled, a step failed).
 */
int provide_image(char **name, const char *id, const struct engine *engine, const struct request *r,
                  struct provide_watch *watch, lrun_error *err);

/* Whether the run was cancelled, or its caller has gone. */
bool provide_is_cancelled(struct provide_watch *watch);

/* The same, and tells how far the work is (bytes; 0: not known). Other
 * than 0: stop. */
int provide_tick(struct provide_watch *watch, uint64_t done, uint64_t total);

#endif
