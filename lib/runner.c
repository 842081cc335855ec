/* SPDX-License-Identifier: MIT */
#include "runner.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "wire/request.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

const char *lrun_version(void)
{
    return LRUN_VERSION;
}

unsigned lrun_version_number(void)
{
    return LRUN_VERSION_NUMBER;
}

void lrun_string_free(char *text)
{
    free(text);
}

int runner_take_struct(void *to, size_t known, const void *from, size_t given, const char *name,
                       lrun_error *err)
{
    static const char operation[] = "run.options";
    if (given < sizeof(size_t)) {
        error_set(err, LRUN_INVALID_ARGUMENT, operation, "%s.size is not set", name);
        return error_hint(err, "set it with %s_init() or its initialiser", name);
    }
    const unsigned char *bytes = from;
    for (size_t i = known; i < given; i++)
        if (bytes[i] != 0)
            return error_set(err, LRUN_INVALID_ARGUMENT, operation,
                             "%s uses fields that this version (%s) does not have", name,
                             LRUN_VERSION);
    memcpy(to, from, given < known ? given : known);
    return 0;
}

int runner_give_struct(void *to, size_t given, const void *from, size_t known, const char *name,
                       lrun_error *err)
{
    if (given < sizeof(size_t)) {
        error_set(err, LRUN_INVALID_ARGUMENT, "run.options", "%s.size is not set", name);
        return error_hint(err, "set it with %s_init() or its initialiser", name);
    }
    size_t common = given < known ? given : known;
    memcpy((char *)to + sizeof(size_t), (const char *)from + sizeof(size_t),
           common - sizeof(size_t));
    memset((char *)to + common, 0, given - common);
    return 0;
}

int runner_check_fd(int fd, const char *name, lrun_error *err)
{
    return fd < 0 || fcntl(fd, F_GETFD) >= 0 ? 0
                                             : error_set(err, LRUN_INVALID_ARGUMENT, "run.options",
                                                         "%s: %d is not an open fd", name, fd);
}

int runner_take_callbacks(lrun_callbacks *to, const lrun_callbacks *from, lrun_error *err)
{
    *to = (lrun_callbacks)LRUN_CALLBACKS_INIT;
    if (!from)
        return 0;
    if (runner_take_struct(to, sizeof(*to), from, from->size, "lrun_callbacks", err) < 0)
        return -1;
    /* Nobody can mean this, because stdin cannot be both. The struct was set to zeros. */
    if (to->input_fd == 0 && to->cancel_fd == 0) {
        error_set(err, LRUN_INVALID_ARGUMENT, "run.options",
                  "callbacks: input_fd and cancel_fd are both 0, which is stdin; without an fd "
                  "they are -1");
        return error_hint(err, "begin with LRUN_CALLBACKS_INIT or lrun_callbacks_init()");
    }
    return runner_check_fd(to->input_fd, "callbacks.input_fd", err) < 0 ||
                   runner_check_fd(to->cancel_fd, "callbacks.cancel_fd", err) < 0
               ? -1
               : 0;
}

/* Sets the caller's struct to the values of ours; it may be smaller or larger than ours. */
static void initialize(void *to, size_t size, const void *from, size_t known)
{
    if (!to || size < sizeof(size_t))
        return;
    memset(to, 0, size);
    memcpy(to, from, size < known ? size : known);
    memcpy(to, &size, sizeof(size));
}

#define INITIALIZER(type, value)                                                                   \
    void type##_init(type *to, size_t size)                                                        \
    {                                                                                              \
        const type initial = value;                                                                \
        initialize(to, size, &initial, sizeof(initial));                                           \
    }

INITIALIZER(lrun_runner_options, LRUN_RUNNER_OPTIONS_INIT)
INITIALIZER(lrun_request, LRUN_REQUEST_INIT)
INITIALIZER(lrun_extract, LRUN_EXTRACT_INIT)
INITIALIZER(lrun_callbacks, LRUN_CALLBACKS_INIT)
INITIALIZER(lrun_logs_options, LRUN_LOGS_OPTIONS_INIT)
INITIALIZER(lrun_doctor_options, LRUN_DOCTOR_OPTIONS_INIT)
INITIALIZER(lrun_verify_options, LRUN_VERIFY_OPTIONS_INIT)
INITIALIZER(lrun_reaped, LRUN_REAPED_INIT)
INITIALIZER(lrun_session_options, LRUN_SESSION_OPTIONS_INIT)
INITIALIZER(lrun_command, LRUN_COMMAND_INIT)
INITIALIZER(lrun_files, LRUN_FILES_INIT)
INITIALIZER(lrun_pool_options, LRUN_POOL_OPTIONS_INIT)
INITIALIZER(lrun_pool_stats, LRUN_POOL_STATS_INIT)

static int set_string(json_t *options, const char *name, const char *value, lrun_error *err)
{
    if (!value)
        return 0;
    json_t *text = json_string(value);
    if (!text)
        return error_set(err, LRUN_INVALID_ARGUMENT, "runner.new", "options.%s: must be UTF-8",
                         name);
    return json_object_set_new(options, name, text) < 0 ? error_oom(err, "runner.new") : 0;
}

static int set_bytes(json_t *options, const char *name, uint64_t value, lrun_error *err)
{
    if (value == 0)
        return 0;
    if (value > INT64_MAX)
        return error_set(err, LRUN_INVALID_ARGUMENT, "runner.new", "options.%s: is too large",
                         name);
    return json_object_set_new(options, name, json_integer((json_int_t)value)) < 0
               ? error_oom(err, "runner.new")
               : 0;
}

static int set_pids(json_t *options, unsigned pids, lrun_error *err)
{
    return pids == 0 || json_object_set_new(options, "pids", json_integer(pids)) == 0
               ? 0
               : error_oom(err, "runner.new");
}

static int set_names(json_t *options, const char *name, const char *const *values, lrun_error *err)
{
    json_t *list = values && *values ? json_array() : NULL;
    if (!list)
        return values && *values ? error_oom(err, "runner.new") : 0;
    for (; *values; values++) {
        if (json_array_append_new(list, json_string(*values)) == 0)
            continue;
        json_decref(list);
        return error_set(err, LRUN_INVALID_ARGUMENT, "runner.new", "options.%s: must be UTF-8",
                         name);
    }
    return json_object_set_new(options, name, list) < 0 ? error_oom(err, "runner.new") : 0;
}

static int set_cpus(json_t *options, double cpus, lrun_error *err)
{
    if (cpus == 0)
        return 0;
    json_t *number = json_real(cpus);
    if (!number)
        return error_set(err, LRUN_INVALID_ARGUMENT, "runner.new", "options.cpus: must be finite");
    return json_object_set_new(options, "cpus", number) < 0 ? error_oom(err, "runner.new") : 0;
}

static int fill_options(json_t *j, const lrun_runner_options *o, lrun_error *err)
{
    if (set_string(j, "runtime", o->runtime, err) < 0 ||
        set_string(j, "engine", o->engine, err) < 0 ||
        set_string(j, "accelerator", o->accelerator, err) < 0 ||
        set_string(j, "memory", o->memory, err) < 0 || set_cpus(j, o->cpus, err) < 0 ||
        set_pids(j, o->pids, err) < 0 || set_string(j, "gpus", o->gpus, err) < 0 ||
        set_string(j, "disk", o->disk, err) < 0 ||
        set_bytes(j, "maxExtractBytes", o->max_extract_bytes, err) < 0 ||
        set_bytes(j, "maxLogBytes", o->max_log_bytes, err) < 0 ||
        set_names(j, "allowUnenforced", o->allow_unenforced, err) < 0 ||
        set_names(j, "allowEgress", o->allow_egress, err) < 0 ||
        set_string(j, "setupRuntime", o->setup_runtime, err) < 0 ||
        set_string(j, "setupNetwork", o->setup_network, err) < 0)
        return -1;
    if (o->no_new_privileges > LRUN_OFF)
        return error_set(err, LRUN_INVALID_ARGUMENT, "runner.new",
                         "options.noNewPrivileges: %d is not an lrun_switch",
                         (int)o->no_new_privileges);
    if (o->no_new_privileges != LRUN_DEFAULT &&
        json_object_set_new(j, "noNewPrivileges", json_boolean(o->no_new_privileges == LRUN_ON)) <
            0)
        return error_oom(err, "runner.new");
    return 0;
}

/* Options are checked as part of a request, so put them into an empty one. */
static int check_options(json_t *options, lrun_error *err)
{
    json_t *document = json_pack("{ss,sO}", "image", "x", "options", options);
    if (!document)
        return error_oom(err, "runner.new");
    cleanup_request struct request request = {0};
    int rc = request_from_json(&request, document, err);
    json_decref(document);
    return rc;
}

int lrun_runner_new(lrun_runner **out, const lrun_runner_options *options, lrun_error *err)
{
    if (!out)
        return error_set(err, LRUN_INVALID_ARGUMENT, "runner.new", "out is NULL");
    *out = NULL;
    lrun_runner_options o = LRUN_RUNNER_OPTIONS_INIT;
    if (options &&
        runner_take_struct(&o, sizeof(o), options, options->size, "lrun_runner_options", err) < 0)
        return -1;
    lrun_runner *runner = calloc(1, sizeof(*runner));
    if (!runner || !(runner->options = json_object()) ||
        (o.supervisor && !(runner->supervisor = strdup(o.supervisor)))) {
        lrun_runner_free(runner);
        return error_oom(err, "runner.new");
    }
    if (fill_options(runner->options, &o, err) < 0 || check_options(runner->options, err) < 0) {
        lrun_runner_free(runner);
        return -1;
    }
    *out = runner;
    return 0;
}

void lrun_runner_free(lrun_runner *runner)
{
    if (!runner)
        return;
    json_decref(runner->options);
    free(runner->supervisor);
    free(runner);
}
