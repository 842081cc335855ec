/* SPDX-License-Identifier: MIT */
/*
 * The caller of a run, before there is a loop that serves it. What takes long (a pull, setup steps, a daemon) asks about once
 * a second whether to go on.
 */
#ifndef RUN_WATCH_H
#define RUN_WATCH_H

#include "run/output.h"

struct watch {
    struct output *output; /* takes PROGRESS frames; `progress` says whether it is to */
    bool progress;
    const char *what; /* "pull", "setup": set by those who do it */
    bool cancelled;   /* set when the run was cancelled meanwhile, or its caller has gone */
    /* Called when SUPERVISOR_CALLER is readable: takes what the caller says, and answers it. Returns whether the
     * run is to end. */
    bool (*on_caller)(void *user);
    void *user;
};

/* Whether the run was cancelled, or its caller has gone. */
bool watch_is_cancelled(struct watch *watch);

/* The same, and tells how far the work is (bytes; 0: not known). Other than 0: stop. */
int watch_tick(struct watch *watch, uint64_t done, uint64_t total);

#endif
