/* SPDX-License-Identifier: MIT */
#include "run/housekeeping.h"

#include "base/error.h"
#include "engine/engine.h"
#include "run/doctor.h"
#include "run/images.h"
#include "json/error_json.h"

#include <string.h>

#define OPERATION "housekeeping"

/* ------------------------------------------------- what covers every engine */

struct removed {
    struct engine_reaped reaped;
    unsigned images;
};

static int reap(struct removed *out, struct engine *engine, const json_t *question, lrun_error *err)
{
    json_int_t age = json_integer_value(json_object_get(question, "minAgeMs"));
    if (age < 0)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "minAgeMs: must not be negative");
    return engine->ops->reap(engine, age, &out->reaped, err);
}

static int clean_images(struct removed *out, struct engine *engine, const json_t *question,
                        lrun_error *err)
{
    (void)question;
    return engine->ops->clean_images(engine, &out->images, err);
}

typedef int (*remove_fn)(struct removed *out, struct engine *engine, const json_t *question,
                         lrun_error *err);

/* Without an engine's name, this is done on the local engine, and on Docker if it is used here.
 * After a failure it goes on with the other engine; the first error is returned. */
static int on_engines(remove_fn remove, struct removed *out, const json_t *question,
                      lrun_error *err)
{
    const char *name = json_string_value(json_object_get(question, "engine"));
    struct engine *engines[ENGINES_MAX];
    lrun_error unopened = {0}, later;
    int opened, rc = 0;
    if (name && strcmp(name, "auto") != 0)
        opened = engine_open(&engines[0], name, NULL, &unopened) < 0 ? 0 : 1;
    else
        opened = engine_open_used(engines, NULL, &unopened);
    for (int i = 0; i < opened; i++) {
        if (remove(out, engines[i], question, rc < 0 ? &later : err) < 0)
            rc = -1;
        engine_close(engines[i]);
    }
    if (rc == 0 && unopened.code) {
        *err = unopened;
        rc = -1;
    }
    return rc;
}

/* The answer counts what was removed, also if some of it failed. */
static int remove_left(json_t **answer, remove_fn remove, const json_t *question, lrun_error *err)
{
    struct removed r = {0};
    lrun_error failed = {0};
    int rc = on_engines(remove, &r, question, &failed);
    if (rc < 0 && failed.code == LRUN_INVALID_ARGUMENT) {
        if (err)
            *err = failed;
        return -1;
    }
    *answer = json_pack("{si,si,si,so*}", "containers", (int)r.reaped.containers, "volumes",
                        (int)r.reaped.volumes, "removed", (int)r.images, "error",
                        rc < 0 ? error_to_json(&failed) : NULL);
    return 0;
}

/* ------------------------------------------------- what is asked of one engine */

static int available(json_t **answer, struct engine *engine, const json_t *question,
                     lrun_error *err)
{
    const char *tier = json_string_value(json_object_get(question, "runtime"));
    if (engine->ops->available(engine, tier ? tier : "runc", err) < 0)
        return -1;
    *answer = json_pack("{ss}", "engine", engine->ops->name);
    return 0;
}

static int network(json_t **answer, struct engine *engine, const json_t *question, lrun_error *err)
{
    static const struct {
        const char *name;
        enum engine_network_action action;
    } actions[] = {
        {"create", ENGINE_NETWORK_CREATE},
        {"remove", ENGINE_NETWORK_REMOVE},
        {"exists", ENGINE_NETWORK_EXISTS},
        {"prune", ENGINE_NETWORK_PRUNE},
    };
    const char *wanted = json_string_value(json_object_get(question, "action"));
    const char *name = json_string_value(json_object_get(question, "name"));
    for (size_t i = 0; wanted && i < sizeof(actions) / sizeof(actions[0]); i++) {
        unsigned count = 0;
        if (strcmp(actions[i].name, wanted) != 0)
            continue;
        if (engine_network(engine, actions[i].action, name, &count, err) < 0)
            return -1;
        *answer = json_pack("{sb,si}", "exists", (int)(count > 0), "removed", (int)count);
        return 0;
    }
    return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "unknown action");
}

static int ask_engine(json_t **answer, const json_t *question, lrun_error *err,
                      int (*ask)(json_t **answer, struct engine *engine, const json_t *question,
                                 lrun_error *err))
{
    const char *name = json_string_value(json_object_get(question, "engine"));
    cleanup_engine struct engine *engine = NULL;
    return engine_open(&engine, name ? name : "auto", NULL, err) < 0
               ? -1
               : ask(answer, engine, question, err);
}

/* ------------------------------------------------- the questions */

static int answer_available(json_t **answer, const json_t *question, struct watch *watch,
                            lrun_error *err)
{
    (void)watch;
    return ask_engine(answer, question, err, available);
}

static int answer_network(json_t **answer, const json_t *question, struct watch *watch,
                          lrun_error *err)
{
    (void)watch;
    return ask_engine(answer, question, err, network);
}

static int answer_reap(json_t **answer, const json_t *question, struct watch *watch,
                       lrun_error *err)
{
    (void)watch;
    return remove_left(answer, reap, question, err);
}

static int answer_images(json_t **answer, const json_t *question, struct watch *watch,
                         lrun_error *err)
{
    (void)watch;
    return remove_left(answer, clean_images, question, err);
}

int housekeeping_answer(json_t **answer, const char *question, size_t length, struct watch *watch,
                        lrun_error *err)
{
    static const struct {
        const char *name;
        int (*answer)(json_t **answer, const json_t *question, struct watch *watch,
                      lrun_error *err);
    } questions[] = {
        {"available", answer_available}, {"network", answer_network}, {"reap", answer_reap},
        {"images", answer_images},       {"image", images_answer},    {"doctor", doctor_answer},
    };
    json_t *document = json_loadb(question, length, JSON_REJECT_DUPLICATES, NULL);
    const char *ask = json_string_value(json_object_get(document, "ask"));
    int rc = error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "unknown question");
    *answer = NULL;
    for (size_t i = 0; ask && i < sizeof(questions) / sizeof(questions[0]); i++) {
        if (strcmp(questions[i].name, ask) != 0)
            continue;
        rc = questions[i].answer(answer, document, watch, err);
        if (rc == 0 && !*answer)
            rc = error_oom(err, OPERATION);
    }
    json_decref(document);
    return rc;
}
