/* SPDX-License-Identifier: MIT */
#include "run/images.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "engine/engine.h"
#include "image/pull.h"
#include "wire/supervisor_fds.h"

#include <fcntl.h>
#include <string.h>

#define OPERATION "image"

enum { ENGINES_MAX = 2 };

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
static json_t *image_to_json(const struct image *i, const struct engine *engine,
                             const struct image_feedback *f)
{
    json_t *config = !i->user
                         ? NULL
                         : json_pack("{so,so,so,ss,ss}", "entrypoint", list_to_json(i->entrypoint),
                                     "cmd", list_to_json(i->cmd), "env", list_to_json(i->env),
                                     "user", i->user, "workdir", i->workdir);
    json_t *skipped = f && f->skipped ? json_integer((json_int_t)f->skipped) : NULL;
    return json_pack("{ss,ss,sI,ss,ss,so*,so*,ss*}", "name", i->name, "digest", i->digest, "size",
                     (json_int_t)i->size, "created", i->created, "engine", engine->name, "config",
                     config, "skipped", skipped, "architecture",
                     f && f->architecture[0] ? f->architecture : NULL);
}

static int pull_to_store(const char *name, bool insecure, struct image *image, struct work *w,
                         lrun_error *err)
{
    cleanup_store struct store *store = NULL;
    const struct pull_options options = {.insecure = insecure};
    return store_open(&store, true, err) < 0
               ? -1
               : pull_image(store, name, &options, image, &w->feedback, err);
}

static int pull_by_engine(const struct engine *engine, const char *name, bool insecure,
                          struct image *image, struct work *w, lrun_error *err)
{
    if (insecure) {
        error_set(err, LRUN_NOT_SUPPORTED, "image.pull",
                  "insecure: the engine %s decides that itself", engine->name);
        return error_hint(err, "list the registry in /etc/docker/daemon.json under "
                               "\"insecure-registries\"; or use the engine local");
    }
    return engine->pull(name, &w->feedback, err) < 0 ? -1
                                                     : engine->describe_image(name, image, err);
}

/* Moves the supervisor's input above the fd numbers it was started with, and passes it to the
 * unpacker. */
static int import(const struct engine *engine, const char *name, struct image *image,
                  struct work *w, lrun_error *err)
{
    cleanup_close int fd = fcntl(SUPERVISOR_INPUT, F_DUPFD_CLOEXEC, SUPERVISOR_CANCEL + 1);
    if (fd < 0)
        return error_errno(err, LRUN_IO_FAILED, "image.import", errno, "cannot read the archive");
    return engine->import_image(fd, name, image, &w->feedback, err);
}

static int pull_or_import(json_t **answer, const json_t *question, struct watch *watch, bool pull,
                          lrun_error *err)
{
    const char *name = json_string_value(json_object_get(question, "name"));
    const char *wanted = json_string_value(json_object_get(question, "engine"));
    bool insecure = json_is_true(json_object_get(question, "insecure"));
    const struct engine *engine;
    cleanup_image struct image image = {0};
    struct work w = {.watch = watch};
    w.feedback = (struct image_feedback){
        .progress = on_progress, .user = &w, .want_total = pull && watch->progress};
    if (!name)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "name: is missing");
    if (engine_find_for_image(&engine, wanted ? wanted : "auto", pull ? "skopeo" : "mkfs.erofs",
                              err) < 0)
        return -1;
    watch->what = pull ? "pull" : "import";
    if (engine->watch)
        engine->watch(on_watch, watch);
    int rc = !pull                     ? import(engine, name, &image, &w, err)
             : engine == &engine_local ? pull_to_store(name, insecure, &image, &w, err)
                                       : pull_by_engine(engine, name, insecure, &image, &w, err);
    if (engine->watch)
        engine->watch(NULL, NULL);
    if (rc < 0)
        return watch->cancelled ? error_set(err, LRUN_IO_FAILED,
                                            pull ? "image.pull" : "image.import", "cancelled")
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

/* Finds the engines whose images the question is about: the engine that it names; otherwise the
 * local engine, and Docker if it is used here. */
static int find_engines(const struct engine *out[ENGINES_MAX], size_t *count,
                        const json_t *question, lrun_error *err)
{
    const char *name = json_string_value(json_object_get(question, "engine"));
    const struct engine *docker;
    lrun_error ignored;
    *count = 1;
    if (name && !engine_is_automatic(name))
        return engine_find(&out[0], name, err);
    out[0] = &engine_local;
    if (engine_find_docker(&docker, &ignored) == 0 && docker) {
        out[1] = docker;
        *count = 2;
    }
    return 0;
}

static int list(json_t **answer, const json_t *question, struct watch *watch, lrun_error *err)
{
    const struct engine *engines[ENGINES_MAX];
    size_t engine_count;
    lrun_error ignored;
    (void)watch;
    if (find_engines(engines, &engine_count, question, err) < 0)
        return -1;
    json_t *all = json_array();
    for (size_t e = 0; all && e < engine_count; e++) {
        struct image *images = NULL;
        size_t count = 0;
        /* The daemon may be down: nobody asked for it by name. */
        if (engines[e]->list_images(&images, &count, e == 0 ? err : &ignored) < 0 && e == 0) {
            json_decref(all);
            return -1;
        }
        for (size_t i = 0; i < count; i++)
            json_array_append_new(all, image_to_json(&images[i], engines[e], NULL));
        store_list_free(images, count);
    }
    *answer = json_pack("{so}", "images", all);
    return 0;
}

static bool has_image(const struct engine *engine, const char *name)
{
    cleanup_free char *digest = NULL;
    lrun_error ignored;
    return engine->find_image(name, &digest, &ignored) == 0 && digest;
}

/* Unless the question names the engine, this removes no image from Docker that somebody else may
 * have made. */
static int remove_one(json_t **answer, const json_t *question, struct watch *watch, lrun_error *err)
{
    static const char setup[] = ENGINE_SETUP_REPOSITORY ":";
    const char *name = json_string_value(json_object_get(question, "name"));
    const struct engine *engines[ENGINES_MAX];
    size_t count;
    (void)watch;
    if (!name)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "name: is missing");
    if (find_engines(engines, &count, question, err) < 0)
        return -1;
    const struct engine *engine = engines[0];
    if (count > 1 && !has_image(engine, name) && has_image(engines[1], name)) {
        if (strncmp(name, setup, strlen(setup)) != 0) {
            error_set(err, LRUN_IMAGE_NOT_FOUND, "image.rm",
                      "no image named '%s' is in the local store", name);
            return error_hint(err, "Docker has one of that name: name the engine docker");
        }
        engine = engines[1];
    }
    if (engine->remove_image(name, err) < 0)
        return -1;
    *answer = json_pack("{ss}", "engine", engine->name);
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
