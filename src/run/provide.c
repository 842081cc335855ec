/* SPDX-License-Identifier: MIT */
#include "run/provide.h"

#include "base/cleanup.h"
#include "run/steps.h"

#include <string.h>

struct pulling {
    struct image_feedback feedback; /* must be first: progress() gets a pointer to it */
    struct watch *watch;
};

static int on_progress(void *user, uint64_t done)
{
    struct pulling *p = user;
    return watch_tick(p->watch, done, p->feedback.total);
}

/* To the caller of a run, an image that cannot be pulled means a sandbox that does not start. */
static int pull(struct engine *engine, const char *name, struct watch *watch, lrun_error *err)
{
    struct pulling p = {.watch = watch};
    p.feedback =
        (struct image_feedback){.progress = on_progress, .user = &p, .want_total = watch->progress};
    watch->what = "pull";
    if (engine->ops->pull(engine, name, false, &p.feedback, err) == 0)
        return 0;
    if (err->code == LRUN_IMAGE_NOT_FOUND || err->code == LRUN_IMAGE_INVALID ||
        err->code == LRUN_IO_FAILED || err->code == LRUN_NOT_SUPPORTED)
        err->code = LRUN_START_FAILED;
    /* On the local engine there is none: it was looked for before the pull. */
    if (engine_local_has_image(name))
        error_hint(err, "use --engine local, whose store has an image named '%s'", name);
    return error_context(err, "no image named '%s' is here", name);
}

int provide_image(struct provided *out, const char *id, struct engine *engine,
                  const struct request *r, struct watch *watch, lrun_error *err)
{
    cleanup_free char *digest = NULL;
    *out = (struct provided){0};
    if (engine->ops->find_image(engine, r->image, &digest, err) < 0)
        return -1;
    if (!digest && (pull(engine, r->image, watch, err) < 0 ||
                    engine->ops->find_image(engine, r->image, &digest, err) < 0))
        return -1;
    if (!digest)
        return error_set(err, LRUN_START_FAILED, "image.resolve",
                         "the image '%s' was removed right after it arrived", r->image);
    if (r->run)
        return steps_image(&out->name, out->setup_kernel, id, engine, r, digest, watch, err);
    out->name = strdup(r->image);
    return out->name ? 0 : error_oom(err, "image.resolve");
}
