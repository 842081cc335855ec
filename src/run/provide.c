/* SPDX-License-Identifier: MIT */
#include "run/provide.h"

#include "base/cleanup.h"
#include "run/setup.h"
#include "run/supervisor.h"

#include <poll.h>
#include <string.h>

bool provide_is_cancelled(struct provide_watch *watch)
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

int provide_tick(struct provide_watch *watch, uint64_t done, uint64_t total)
{
    if (provide_is_cancelled(watch))
        return 1;
    if (!watch->progress)
        return 0;
    json_t *document = json_pack("{ss,sI,sI}", "what", watch->what, "done", (json_int_t)done,
                                 "total", (json_int_t)total);
    cleanup_free char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
    json_decref(document);
    /* Progress that cannot be told is no reason to stop. */
    if (text)
        output_frame(watch->output, FRAME_PROGRESS, text, strlen(text), NULL);
    return 0;
}

struct pulling {
    struct image_feedback feedback; /* first: its progress() is called with a pointer to it */
    struct provide_watch *watch;
};

static int on_progress(void *user, uint64_t done)
{
    struct pulling *p = user;
    return provide_tick(p->watch, done, p->feedback.total);
}

/* For whoever asked for a run, an image that is not to be had is a sandbox that does not start. */
static int pull(const struct engine *engine, const char *name, struct provide_watch *watch,
                lrun_error *err)
{
    cleanup_free char *local = NULL;
    lrun_error ignored;
    struct pulling p = {.watch = watch};
    p.feedback =
        (struct image_feedback){.progress = on_progress, .user = &p, .want_total = watch->progress};
    watch->what = "pull";
    if (engine->pull(name, &p.feedback, err) == 0)
        return 0;
    if (err->code == LRUN_IMAGE_NOT_FOUND || err->code == LRUN_IMAGE_INVALID ||
        err->code == LRUN_IO_FAILED || err->code == LRUN_NOT_SUPPORTED)
        err->code = LRUN_START_FAILED;
    if (engine != &engine_local && engine_local.find_image(name, &local, &ignored) == 0 && local)
        error_hint(err, "use --engine local, whose store has an image named '%s'", name);
    return error_context(err, "no image named '%s' is here", name);
}

int provide_image(char **name, const char *id, const struct engine *engine, const struct request *r,
                  struct provide_watch *watch, lrun_error *err)
{
    cleanup_free char *digest = NULL;
    if (engine->find_image(r->image, &digest, err) < 0)
        return -1;
    if (!digest &&
        (pull(engine, r->image, watch, err) < 0 || engine->find_image(r->image, &digest, err) < 0))
        return -1;
    if (!digest)
        return error_set(err, LRUN_START_FAILED, "image.resolve",
                         "the image '%s' was removed as soon as it was there", r->image);
    if (r->run)
        return setup_image(name, id, engine, r, digest, watch, err);
    *name = strdup(r->image);
    return *name ? 0 : error_oom(err, "image.resolve");
}
