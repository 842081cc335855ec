/* SPDX-License-Identifier: MIT */
#include "run/images.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "engine/engine.h"
#include "wire/supervisor_fds.h"
#include "json/error_json.h"

#include <fcntl.h>
#include <string.h>

#define OPERATION "image"

struct work {
    struct image_feedback feedback;
    struct watch *watch;
};

static int on_progress(void *user, uint64_t done)
{
    struct work *w = user;
    return watch_tick(w->watch, done, w->feedback.total);
}

static int on_watch(void *user)
{
    return watch_is_cancelled(user);
}

static json_t *list_to_json(char *const *list)
{
    json_t *array = json_array();
    for (; list && *list; list++)
        json_array_append_new(array, json_string(*list));
    return array;
}

/* Docker's list of images does not contain their configurations. */
static json_t *image_to_json(const struct image *i, struct engine *engine,
                             const struct image_feedback *f)
{
    json_t *config = !i->user
                         ? NULL
                         : json_pack("{so,so,so,ss,ss}", "entrypoint", list_to_json(i->entrypoint),
                                     "cmd", list_to_json(i->cmd), "env", list_to_json(i->env),
                                     "user", i->user, "workdir", i->workdir);
    json_t *skipped = f && f->skipped ? json_integer((json_int_t)f->skipped) : NULL;
    const char *foreign = f && f->architecture[0] ? f->architecture : NULL;
    return json_pack("{ss,ss,sI,ss,ss,so*,so*,ss*,ss*}", "name", i->name, "digest", i->digest,
                     "size", (json_int_t)i->size, "created", i->created, "engine",
                     engine->ops->name, "config", config, "skipped", skipped, "architecture",
                     foreign, "hostArchitecture", foreign ? image_host_architecture() : NULL);
}

static int pull(struct engine *engine, const char *name, bool insecure, struct image *image,
                struct work *w, lrun_error *err)
{
    return engine->ops->pull(engine, name, insecure, &w->feedback, err) < 0
               ? -1
               : engine->ops->describe_image(engine, name, image, err);
}

/* Moves the supervisor's input above the fd numbers it was started with, and passes it to the
 * unpacker. */
static int import(struct engine *engine, const char *name, struct image *image, struct work *w,
                  lrun_error *err)
{
    cleanup_close int fd = fcntl(SUPERVISOR_INPUT, F_DUPFD_CLOEXEC, SUPERVISOR_CANCEL + 1);
    if (fd < 0)
        return error_errno(err, LRUN_IO_FAILED, "image.import", errno, "cannot read the archive");
    return engine->ops->import_image(engine, fd, name, image, &w->feedback, err);
}

static int pull_or_import(json_t **answer, const json_t *question, struct watch *watch, bool pulls,
                          lrun_error *err)
{
    const struct tick tick = {on_watch, watch};
    const char *name = json_string_value(json_object_get(question, "name"));
    const char *wanted = json_string_value(json_object_get(question, "engine"));
    bool insecure = json_is_true(json_object_get(question, "insecure"));
    cleanup_engine struct engine *engine = NULL;
    cleanup_image struct image image = {0};
    struct work w = {.watch = watch};
    watch->progress = json_is_true(json_object_get(question, "progress"));
    w.feedback = (struct image_feedback){
        .progress = on_progress, .user = &w, .want_total = pulls && watch->progress};
    if (!name)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "name: is missing");
    if (engine_open_for_image(&engine, wanted ? wanted : "auto", pulls ? "skopeo" : "mkfs.erofs",
                              &tick, err) < 0)
        return -1;
    watch->what = pulls ? "pull" : "import";
    int rc = pulls ? pull(engine, name, insecure, &image, &w, err)
                   : import(engine, name, &image, &w, err);
    if (rc < 0)
        return watch->cancelled ? error_set(err, LRUN_IO_FAILED,
                                            pulls ? "image.pull" : "image.import", "cancelled")
                                : -1;
    *answer = image_to_json(&image, engine, &w.feedback);
    return 0;
}

static int pull_one(json_t **answer, const json_t *question, struct watch *watch, lrun_error *err)
{
    return pull_or_import(answer, question, watch, true, err);
}

static int import_one(json_t **answer, const json_t *question, struct watch *watch, lrun_error *err)
{
    return pull_or_import(answer, question, watch, false, err);
}

/* The engines whose images a question is about. */
struct engines {
    struct engine *list[ENGINES_MAX];
    int count;
    lrun_error left_out; /* why one of them is not in the list; LRUN_OK: none is left out */
};

static void close_engines(struct engines *e)
{
    for (int i = 0; i < e->count; i++)
        engine_close(e->list[i]);
}

/* Opens the engine that the question or $LIGHT_RUNNER_ENGINE names; otherwise those that this user
 * has. A daemon that is down is left out, as nobody has asked for it by name. */
static int open_engines(struct engines *out, const json_t *question, lrun_error *err)
{
    const char *name = json_string_value(json_object_get(question, "engine"));
    if (!name)
        name = "auto";
    if (!engine_is_automatic(name))
        out->count = engine_open(&out->list[0], name, NULL, err) < 0 ? 0 : 1;
    else
        out->count = engine_open_used(out->list, NULL, &out->left_out);
    if (out->count > 0)
        return 0;
    if (err && out->left_out.code != LRUN_OK)
        *err = out->left_out;
    return -1;
}

static int list(json_t **answer, const json_t *question, struct watch *watch, lrun_error *err)
{
    __attribute__((cleanup(close_engines))) struct engines engines = {0};
    (void)watch;
    if (open_engines(&engines, question, err) < 0)
        return -1;
    json_t *all = json_array();
    for (int e = 0; all && e < engines.count; e++) {
        struct engine *engine = engines.list[e];
        struct image *images = NULL;
        size_t count = 0;
        if (engine->ops->list_images(engine, &images, &count, e == 0 ? err : &engines.left_out) <
                0 &&
            e == 0) {
            json_decref(all);
            return -1;
        }
        for (size_t i = 0; i < count; i++)
            json_array_append_new(all, image_to_json(&images[i], engine, NULL));
        store_list_free(images, count);
    }
    *answer = json_pack("{so,so*}", "images", all, "error",
                        engines.left_out.code != LRUN_OK ? error_to_json(&engines.left_out) : NULL);
    return 0;
}

static bool has_image(struct engine *engine, const char *name)
{
    cleanup_free char *digest = NULL;
    lrun_error ignored;
    return engine->ops->find_image(engine, name, &digest, &ignored) == 0 && digest;
}

/* Unless the question names the engine, this removes no image from Docker that somebody else may
 * have made. */
static int remove_one(json_t **answer, const json_t *question, struct watch *watch, lrun_error *err)
{
    static const char setup[] = ENGINE_SETUP_REPOSITORY ":";
    const char *name = json_string_value(json_object_get(question, "name"));
    __attribute__((cleanup(close_engines))) struct engines engines = {0};
    (void)watch;
    if (!name)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "name: is missing");
    if (open_engines(&engines, question, err) < 0)
        return -1;
    struct engine *engine = engines.list[0], *other = engines.list[1];
    if (other && !has_image(engine, name) && has_image(other, name)) {
        if (strncmp(name, setup, strlen(setup)) != 0) {
            error_set(err, LRUN_IMAGE_NOT_FOUND, "image.rm",
                      "no image named '%s' is in the local store", name);
            return error_hint(err, "for Docker's: light-runner image rm --engine docker %s", name);
        }
        engine = other;
    }
    if (engine->ops->remove_image(engine, name, err) < 0)
        return -1;
    *answer = json_pack("{ss}", "engine", engine->ops->name);
    return 0;
}

int images_answer(json_t **answer, const json_t *question, struct watch *watch, lrun_error *err)
{
    static const struct {
        const char *name;
        int (*function)(json_t **answer, const json_t *question, struct watch *watch,
                        lrun_error *err);
    } actions[] = {
        {"pull", pull_one}, {"import", import_one}, {"list", list}, {"remove", remove_one}};
    const char *wanted = json_string_value(json_object_get(question, "action"));
    for (size_t i = 0; wanted && i < sizeof(actions) / sizeof(actions[0]); i++)
        if (strcmp(actions[i].name, wanted) == 0)
            return actions[i].function(answer, question, watch, err);
    return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "unknown action");
}
