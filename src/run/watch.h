/* SPDX-License-Identifier: MIT */
/*
 * Watches the caller of a run before there is a loop that serves it. Work that takes long (a pull,
 * setup steps, a daemon) asks about once a second whether to continue.
 */
#ifndef RUN_WATCH_H
#define RUN_WATCH_H

#include "run/output.h"

struct watch {
    struct output *output; /* takes PROGRESS frames if `progress` is set */
    bool progress;
    const char *what; /* "pull", "import" or "setup": set by the code that does the work */
    bool cancelled;   /* the run was cancelled, or its caller is gone */
    /* Called when SUPERVISOR_CALLER is readable: reads what the caller sent, and answers it.
     * Returns whether the run must end. */
    bool (*on_caller)(void *user);
    void *user;
};

/* Whether the run was cancelled, or its caller is gone. */
bool watch_is_cancelled(struct watch *watch);

/* Like watch_is_cancelled(), and also reports progress (bytes; 0: not known). Non-zero: stop. */
int watch_tick(struct watch *watch, uint64_t done, uint64_t total);

#endif
