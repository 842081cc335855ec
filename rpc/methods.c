/* SPDX-License-Identifier: MIT */
#include "methods.h"

#include "call.h"
#include "jobs.h"
#include "rpc.h"
#include "runs.h"
#include "server.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>

/* ------------------------------------------------------------------ in the loop */

static void begin_hello(struct call *c)
{
    lrun_error e;
    if (c->params.protocol == RPC_PROTOCOL) {
        call_result(c, method_hello());
        return;
    }
    error_set(&e, LRUN_NOT_SUPPORTED, "rpc.hello", "protocol %llu (expected %d)",
              (unsigned long long)c->params.protocol, RPC_PROTOCOL);
    error_hint(&e, "install a package of light-runner and an executable of the same version");
    call_fail(c, &e);
}

static void begin_version(struct call *c)
{
    call_result(c, json_pack("{ss,si}", "version", lrun_version(), "protocol", RPC_PROTOCOL));
}

static void begin_credit(struct call *c)
{
    /* The call may have ended meanwhile, which is no error. */
    struct call *to = call_find(c->server, c->params.call);
    for (struct call *o = c->server->calls; o && !to; o = o->next)
        if (o != c && json_equal(o->id, c->params.call))
            to = o;
    if (to && to->window < (uint64_t)1 << 50)
        to->window += c->params.bytes;
    call_result(c, json_object());
}

/* ------------------------------------------------------------------ in a thread */

static lrun_callbacks callbacks_of(struct call *c)
{
    lrun_callbacks callbacks = LRUN_CALLBACKS_INIT;
    callbacks.user = c;
    callbacks.on_progress = call_on_progress;
    callbacks.cancel_fd = c->cancel_fd;
    return callbacks;
}

static void free_runner(lrun_runner **runner)
{
    lrun_runner_free(*runner);
}

static void free_text(char **text)
{
    lrun_string_free(*text);
}

#define cleanup_runner __attribute__((cleanup(free_runner)))
#define cleanup_text   __attribute__((cleanup(free_text)))

/* Each work_... function that asks an engine begins with this. */
#define RUNNER_OR_RETURN(job, runner)                                                              \
    cleanup_runner lrun_runner *runner = NULL;                                                     \
    const struct params *p = &(job)->call->params;                                                 \
    if (server_runner(&(runner), (job)->call->server, p->engine, p->runtime, &(job)->error) < 0)   \
    return

/* The library's documents are valid JSON. */
static json_t *document(const char *text)
{
    return text ? json_loads(text, JSON_DECODE_ANY, NULL) : json_null();
}

static void work_states(struct job *job)
{
    cleanup_text char *text = NULL;
    if (lrun_states(job->call->params.run, &text, &job->error) == 0)
        job->result = document(text);
}

static void work_logs(struct job *job)
{
    const struct params *p = &job->call->params;
    lrun_logs_options options = LRUN_LOGS_OPTIONS_INIT;
    options.follow = p->follow;
    options.since_ms = p->since_ms > 0 ? p->since_ms : 0;
    options.cancel_fd = job->call->cancel_fd;
    options.on_line = call_on_line;
    options.user = job->call;
    if (lrun_logs(p->run, &options, &job->error) == 0)
        job->result = json_object();
}

static void work_available(struct job *job)
{
    RUNNER_OR_RETURN(job, runner);
    if (lrun_available(runner, &job->error) == 0)
        job->result = json_object();
}

static void work_pull(struct job *job)
{
    RUNNER_OR_RETURN(job, runner);
    cleanup_text char *text = NULL;
    const lrun_callbacks callbacks = callbacks_of(job->call);
    if (lrun_image_pull(runner, p->name, p->insecure ? LRUN_PULL_INSECURE : 0, &callbacks, &text,
                        &job->error) == 0)
        job->result = document(text);
}

static void work_import(struct job *job)
{
    RUNNER_OR_RETURN(job, runner);
    cleanup_text char *text = NULL;
    /* O_NONBLOCK: a fifo that nobody writes to must not hold the thread. */
    cleanup_close int fd = open(p->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        error_errno(&job->error, LRUN_INVALID_ARGUMENT, "image.import", errno, "params.path: '%s'",
                    p->path);
        return;
    }
    const lrun_callbacks callbacks = callbacks_of(job->call);
    if (lrun_image_import(runner, fd, p->name, &callbacks, &text, &job->error) == 0)
        job->result = document(text);
}

static void work_image_list(struct job *job)
{
    RUNNER_OR_RETURN(job, runner);
    cleanup_text char *text = NULL;
    if (lrun_image_list(runner, &text, &job->error) == 0)
        job->result = document(text);
}

static void work_image_remove(struct job *job)
{
    RUNNER_OR_RETURN(job, runner);
    if (lrun_image_remove(runner, p->name, &job->error) == 0)
        job->result = json_object();
}

static void work_network_create(struct job *job)
{
    RUNNER_OR_RETURN(job, runner);
    if (lrun_network_create(runner, p->name, &job->error) == 0)
        job->result = json_object();
}

static void work_network_remove(struct job *job)
{
    RUNNER_OR_RETURN(job, runner);
    if (lrun_network_remove(runner, p->name, &job->error) == 0)
        job->result = json_object();
}

static void work_network_exists(struct job *job)
{
    RUNNER_OR_RETURN(job, runner);
    bool exists = false;
    if (lrun_network_exists(runner, p->name, &exists, &job->error) == 0)
        job->result = json_pack("{sb}", "exists", exists);
}

/* Answers with counts. A call that removes may fail after it has removed something, so the counts
 * are also part of the error. */
static void give_counts(struct job *job, int rc, json_t *counts)
{
    if (rc == 0)
        job->result = counts;
    else
        job->counts = counts;
}

static void work_network_prune(struct job *job)
{
    RUNNER_OR_RETURN(job, runner);
    unsigned count = 0;
    int rc = lrun_network_prune(runner, &count, &job->error);
    give_counts(job, rc, json_pack("{sI}", "networks", (json_int_t)count));
}

static void work_reap(struct job *job)
{
    RUNNER_OR_RETURN(job, runner);
    lrun_reaped reaped = LRUN_REAPED_INIT;
    int rc = lrun_reap(runner, p->age_ms, &reaped, &job->error);
    give_counts(job, rc,
                json_pack("{sI,sI,sI}", "containers", (json_int_t)reaped.containers, "volumes",
                          (json_int_t)reaped.volumes, "states", (json_int_t)reaped.states));
}

static void work_reap_states(struct job *job)
{
    unsigned count = 0;
    int rc = lrun_reap_states(&count, &job->error);
    give_counts(job, rc, json_pack("{sI}", "states", (json_int_t)count));
}

static void work_clean_states(struct job *job)
{
    const struct params *p = &job->call->params;
    unsigned count = 0;
    int rc = lrun_clean_states(p->age_ms > 0 ? p->age_ms : 0, &count, &job->error);
    give_counts(job, rc, json_pack("{sI}", "states", (json_int_t)count));
}

static void work_clean_images(struct job *job)
{
    RUNNER_OR_RETURN(job, runner);
    unsigned count = 0;
    int rc = lrun_clean_images(runner, &count, &job->error);
    give_counts(job, rc, json_pack("{sI}", "images", (json_int_t)count));
}

static void work_doctor(struct job *job)
{
    RUNNER_OR_RETURN(job, runner);
    cleanup_text char *text = NULL;
    lrun_doctor_options options = LRUN_DOCTOR_OPTIONS_INIT;
    options.full = p->full;
    options.cancel_fd = job->call->cancel_fd;
    if (lrun_doctor(runner, &options, &text, &job->error) == 0)
        job->result = document(text);
}

static void work_verify(struct job *job)
{
    RUNNER_OR_RETURN(job, runner);
    cleanup_text char *text = NULL;
    lrun_verify_options options = LRUN_VERIFY_OPTIONS_INIT;
    options.image = p->image;
    options.cancel_fd = job->call->cancel_fd;
    if (lrun_verify(runner, &options, &text, &job->error) == 0)
        job->result = document(text);
}

/* ------------------------------------------------------------------ the table */

#define PARAMS_CELL  (PARAM_ENGINE | PARAM_RUNTIME)
#define PARAMS_ORDER (PARAM_RUN | PARAM_CALL)

static const struct method methods[] = {
    {"hello", PARAM_PROTOCOL, PARAM_PROTOCOL, begin_hello, NULL, false},
    {"version", 0, 0, begin_version, NULL, false},
    {"run", PARAM_RUN | PARAM_REQUEST | PARAM_LOGS | PARAM_WINDOW, PARAM_REQUEST, runs_run, NULL,
     false},
    {"attach", PARAM_RUN | PARAM_LOGS | PARAM_WINDOW, PARAM_RUN, runs_attach, NULL, false},
    {"credit", PARAM_CALL | PARAM_BYTES, PARAM_CALL | PARAM_BYTES, begin_credit, NULL, false},
    {"cancel", PARAMS_ORDER, 0, runs_order, NULL, false},
    {"stop", PARAMS_ORDER | PARAM_SIGNAL | PARAM_GRACE, 0, runs_order, NULL, false},
    {"pause", PARAMS_ORDER, 0, runs_order, NULL, false},
    {"resume", PARAMS_ORDER, 0, runs_order, NULL, false},
    {"logs", PARAM_RUN | PARAM_FOLLOW | PARAM_SINCE | PARAM_WINDOW, PARAM_RUN, NULL, work_logs,
     true},
    {"states", PARAM_RUN, 0, NULL, work_states, false},
    {"available", PARAMS_CELL, 0, NULL, work_available, false},
    {"image.pull", PARAMS_CELL | PARAM_NAME | PARAM_INSECURE, PARAM_NAME, NULL, work_pull, true},
    {"image.import", PARAMS_CELL | PARAM_NAME | PARAM_PATH, PARAM_NAME | PARAM_PATH, NULL,
     work_import, true},
    {"image.list", PARAMS_CELL, 0, NULL, work_image_list, false},
    {"image.remove", PARAMS_CELL | PARAM_NAME, PARAM_NAME, NULL, work_image_remove, false},
    {"network.create", PARAMS_CELL | PARAM_NAME, PARAM_NAME, NULL, work_network_create, false},
    {"network.remove", PARAMS_CELL | PARAM_NAME, PARAM_NAME, NULL, work_network_remove, false},
    {"network.exists", PARAMS_CELL | PARAM_NAME, PARAM_NAME, NULL, work_network_exists, false},
    {"network.prune", PARAMS_CELL, 0, NULL, work_network_prune, false},
    {"reap", PARAMS_CELL | PARAM_AGE, 0, NULL, work_reap, false},
    {"reap.states", 0, 0, NULL, work_reap_states, false},
    {"clean.states", PARAM_AGE, 0, NULL, work_clean_states, false},
    {"clean.images", PARAMS_CELL, 0, NULL, work_clean_images, false},
    {"doctor", PARAM_FULL, 0, NULL, work_doctor, true},
    {"verify", PARAMS_CELL | PARAM_IMAGE, 0, NULL, work_verify, true},
};

enum { METHODS = sizeof(methods) / sizeof(methods[0]) };

const struct method *method_find(const char *name)
{
    for (size_t i = 0; i < METHODS; i++)
        if (strcmp(methods[i].name, name) == 0)
            return &methods[i];
    return NULL;
}

static json_t *method_names(void)
{
    json_t *names = json_array();
    for (size_t i = 0; i < METHODS; i++)
        json_array_append_new(names, json_string(methods[i].name));
    return names;
}

json_t *method_hello(void)
{
    return json_pack("{ss,si,so,s{si,si,si}}", "version", lrun_version(), "protocol", RPC_PROTOCOL,
                     "methods", method_names(), "limits", "line", RPC_LINE_MAX, "requests",
                     RPC_CALLS_MAX, "runs", RPC_RUNS_MAX);
}

void method_begin(struct call *c)
{
    if (c->method->begin) {
        c->method->begin(c);
        return;
    }
    if (c->method->can_cancel)
        c->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    jobs_start(c->server, JOB_OF_CALL, c, NULL, c->method->work, jobs_answer);
}
