/* SPDX-License-Identifier: MIT */
#include "run/housekeeping.h"

#include "base/error.h"
#include "engine/engine.h"
#include "run/doctor.h"
#include "run/images.h"

#include <string.h>

#define OPERATION "housekeeping"

static int available(json_t **answer, const struct engine *engine, const json_t *question,
                     lrun_error *err)
{
    const char *tier = json_string_value(json_object_get(question, "runtime"));
    if (engine->available(tier ? tier : "runc", err) < 0)
        return -1;
    *answer = json_pack("{ss}", "engine", engine->name);
    return 0;
}

static int reap(json_t **answer, const struct engine *engine, const json_t *question,
                lrun_error *err)
{
    struct engine_reaped reaped = {0};
    json_int_t age = json_integer_value(json_object_get(question, "minAgeMs"));
    if (age < 0)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "minAgeMs: must not be negative");
    if (engine->reap(age, &reaped, err) < 0)
        return -1;
    *answer =
        json_pack("{si,si}", "containers", (int)reaped.containers, "volumes", (int)reaped.volumes);
    return 0;
}

static int network(json_t **answer, const struct engine *engine, const json_t *question,
                   lrun_error *err)
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
        if (engine->network(actions[i].action, name, &count, err) < 0)
            return -1;
        *answer = json_pack("{sb,si}", "exists", (int)(count > 0), "removed", (int)count);
        return 0;
    }
    return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "unknown action");
}

static int images(json_t **answer, const struct engine *engine, const json_t *question,
                  lrun_error *err)
{
    unsigned count = 0;
    (void)question;
    if (engine->clean_images(&count, err) < 0)
        return -1;
    *answer = json_pack("{si}", "removed", (int)count);
    return 0;
}

int housekeeping_answer(json_t **answer, const char *question, size_t length, struct watch *watch,
                        lrun_error *err)
{
    static const struct {
        const char *name;
        int (*function)(json_t **answer, const struct engine *engine, const json_t *question,
                        lrun_error *err);
    } questions[] = {
        {"available", available},
        {"reap", reap},
        {"network", network},
        {"images", images},
    };
    json_t *document = json_loadb(question, length, JSON_REJECT_DUPLICATES, NULL);
    const char *ask = json_string_value(json_object_get(document, "ask"));
    const char *name = json_string_value(json_object_get(document, "engine"));
    const struct engine *engine;
    int rc = error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "unknown question");
    *answer = NULL;
    bool doctor = ask && strcmp(ask, "doctor") == 0;
    if (doctor || (ask && strcmp(ask, "image") == 0)) {
        rc = (doctor ? doctor_answer : images_answer)(answer, document, watch, err);
        if (rc == 0 && !*answer)
            rc = error_oom(err, OPERATION);
        json_decref(document);
        return rc;
    }
    for (size_t i = 0; ask && i < sizeof(questions) / sizeof(questions[0]); i++) {
        if (strcmp(questions[i].name, ask) != 0)
            continue;
        rc = engine_find(&engine, name ? name : "auto", err);
        if (rc == 0)
            rc = questions[i].function(answer, engine, document, err);
        if (rc == 0 && !*answer)
            rc = error_oom(err, OPERATION);
    }
    json_decref(document);
    return rc;
}
