/* SPDX-License-Identifier: MIT */
#include "run/watch.h"

#include "base/cleanup.h"
#include "wire/supervisor_fds.h"

#include <jansson.h>
#include <poll.h>
#include <string.h>

bool watch_is_cancelled(struct watch *watch)
{
    struct pollfd p[] = {
        {SUPERVISOR_CALLER, POLLIN, 0},
        {SUPERVISOR_CANCEL_SHARED, POLLIN, 0},
        {SUPERVISOR_CANCEL, POLLIN, 0},
    };
    if (poll(p, sizeof(p) / sizeof(p[0]), 0) > 0 &&
        (p[1].revents || p[2].revents || watch->on_caller(watch->user)))
        watch->cancelled = true;
    return watch->cancelled;
}

int watch_tick(struct watch *watch, uint64_t done, uint64_t total)
{
    if (watch_is_cancelled(watch))
        return 1;
    if (!watch->progress)
        return 0;
    json_t *document = json_pack("{ss,sI,sI}", "what", watch->what, "done", (json_int_t)done,
                                 "total", (json_int_t)total);
    cleanup_free char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
    json_decref(document);
    /* A failure to report progress is no reason to stop. */
    if (text)
        output_frame(watch->output, FRAME_PROGRESS, FRAME_SANDBOX, text, strlen(text), NULL);
    return 0;
}
