/* SPDX-License-Identifier: MIT */
/* Questions to an engine: whether it works, what killed runs have left, networks, and setup
 * images. */
#include "question.h"
#include "runner.h"

#include "base/error.h"
#include "base/text.h"

#include <stdlib.h>

#define OPERATION "housekeeping"

static unsigned number_in(const json_t *answer, const char *name)
{
    json_int_t n = json_integer_value(json_object_get(answer, name));
    return n > 0 ? (unsigned)n : 0;
}

/* Asks a question for which only success or failure matters. */
static int ask_only(const lrun_runner *runner, json_t *question, lrun_error *err)
{
    json_t *answer;
    int rc = question_ask(&answer, runner, question, NULL, err);
    json_decref(answer);
    return rc;
}

/* Asks a question whose answer is the number of removed objects. */
static int ask_removed(const lrun_runner *runner, json_t *question, unsigned *count,
                       lrun_error *err)
{
    json_t *answer;
    int rc = question_ask(&answer, runner, question, NULL, err);
    if (count)
        *count = number_in(answer, "removed");
    if (rc == 0)
        rc = question_error(answer, err);
    json_decref(answer);
    return rc;
}

static json_t *about_network(const char *action, const char *name)
{
    return json_pack("{ss,ss,ss*}", "ask", "network", "action", action, "name", name);
}

int lrun_available(const lrun_runner *runner, lrun_error *err)
{
    return ask_only(runner, json_pack("{ss}", "ask", "available"), err);
}

int lrun_doctor(const lrun_runner *runner, const lrun_doctor_options *options, char **out,
                lrun_error *err)
{
    lrun_doctor_options o = LRUN_DOCTOR_OPTIONS_INIT;
    lrun_callbacks callbacks = LRUN_CALLBACKS_INIT;
    json_t *answer;
    if (!out)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "out is NULL");
    *out = NULL;
    if ((options && runner_take_struct(&o, sizeof(o), options, options->size, "lrun_doctor_options",
                                       err) < 0) ||
        runner_check_fd(o.cancel_fd, "options.cancel_fd", err) < 0)
        return -1;
    callbacks.cancel_fd = o.cancel_fd;
    const struct question_work work = {
        .callbacks = &callbacks, .input_fd = -1, .timeout_ms = QUESTION_TIMEOUT_MS};
    if (question_ask(&answer, runner, json_pack("{ss,sb}", "ask", "doctor", "full", o.full), &work,
                     err) < 0)
        return -1;
    *out = json_dumps(answer, JSON_COMPACT);
    json_decref(answer);
    return *out ? 0 : error_oom(err, OPERATION);
}

/* Anything younger may belong to a run that is just being created. */
static int default_age(int64_t *out, lrun_error *err)
{
    uint64_t age = LRUN_REAP_AGE_MS;
    const char *text = secure_getenv("LIGHT_RUNNER_REAP_AGE_MS");
    if (text && *text && (!text_parse_u64(text, &age) || age > INT64_MAX / 2))
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
                         "LIGHT_RUNNER_REAP_AGE_MS: '%.40s' is not a number of milliseconds", text);
    *out = (int64_t)age;
    return 0;
}

int lrun_reap(const lrun_runner *runner, int64_t min_age_ms, lrun_reaped *out, lrun_error *err)
{
    json_t *answer;
    lrun_reaped reaped = {0};
    size_t size = out ? out->size : sizeof(reaped);
    /* Check this before anything is removed. */
    if (out && runner_give_struct(out, size, &reaped, sizeof(reaped), "lrun_reaped", err) < 0)
        return -1;
    if (!runner)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "runner is NULL");
    if (min_age_ms < 0 && default_age(&min_age_ms, err) < 0)
        return -1;
    int rc = lrun_reap_states(&reaped.states, err);
    lrun_error *e = rc < 0 ? NULL : err; /* the first error is kept */
    json_t *question = json_pack("{ss,sI}", "ask", "reap", "minAgeMs", (json_int_t)min_age_ms);
    if (question_ask(&answer, runner, question, NULL, e) < 0 || question_error(answer, e) < 0)
        rc = -1;
    reaped.containers = number_in(answer, "containers");
    reaped.volumes = number_in(answer, "volumes");
    json_decref(answer);
    if (out)
        (void)runner_give_struct(out, size, &reaped, sizeof(reaped), "lrun_reaped", NULL);
    return rc;
}

int lrun_network_create(const lrun_runner *runner, const char *name, lrun_error *err)
{
    return ask_only(runner, about_network("create", name), err);
}

int lrun_network_remove(const lrun_runner *runner, const char *name, lrun_error *err)
{
    return ask_only(runner, about_network("remove", name), err);
}

int lrun_network_exists(const lrun_runner *runner, const char *name, bool *exists, lrun_error *err)
{
    json_t *answer;
    int rc = question_ask(&answer, runner, about_network("exists", name), NULL, err);
    if (rc == 0 && exists)
        *exists = json_is_true(json_object_get(answer, "exists"));
    json_decref(answer);
    return rc;
}

int lrun_network_prune(const lrun_runner *runner, unsigned *count, lrun_error *err)
{
    return ask_removed(runner, about_network("prune", NULL), count, err);
}

int lrun_clean_images(const lrun_runner *runner, unsigned *count, lrun_error *err)
{
    return ask_removed(runner, json_pack("{ss}", "ask", "images"), count, err);
}
