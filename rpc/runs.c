/* SPDX-License-Identifier: MIT */
#include "runs.h"

#include "call.h"
#include "jobs.h"

#include "base/error.h"
#include "json/json_text.h"

#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

/* A run with more output than this for the client is not read until the client has taken some. */
enum { RUN_QUEUE_MAX = 256 * 1024 };

static void next_order(struct call *run);

void runs_watch(struct call *c)
{
    struct server *s = c->server;
    bool wanted = c->execution && c->holder == HOLDER_LOOP && !c->ended &&
                  (c->queue.bytes < RUN_QUEUE_MAX || s->mute);
    if (wanted == c->watched)
        return;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(s->epoll, wanted ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, lrun_execution_fd(c->execution),
              &event);
    c->watched = wanted;
}

static void give_to_job(struct call *c)
{
    c->holder = HOLDER_JOB;
    runs_watch(c);
}

/* ------------------------------------------------------------------ the end */

static void wait_for_end(struct job *job)
{
    lrun_result *result = NULL;
    if (lrun_execution_wait(job->execution, &result, &job->error) == 0)
        job->result = json_loads(lrun_result_json(result), 0, NULL);
    lrun_result_free(result);
    lrun_execution_free(job->execution);
}

static bool is_fine_after_end(const struct call *order)
{
    const char *name = order->method->name;
    return strcmp(name, "stop") == 0 || strcmp(name, "cancel") == 0;
}

static void answer_orders(struct call *run)
{
    lrun_error e;
    error_set(&e, LRUN_INVALID_ARGUMENT, "control", "the run has ended");
    while (run->orders) {
        struct call *order = run->orders;
        run->orders = order->next_order;
        if (is_fine_after_end(order))
            call_result(order, json_object());
        else
            call_fail(order, &e);
    }
}

static void answer(struct call *c, json_t *result, const lrun_error *e)
{
    pthread_mutex_lock(&c->server->lock);
    (void)queue_finish(&c->queue);
    pthread_mutex_unlock(&c->server->lock);
    answer_orders(c);
    c->server->run_count--;
    if (result)
        call_result(c, json_incref(result));
    else
        call_fail(c, e);
}

static void finish_end(struct job *job)
{
    answer(job->call, job->result, &job->error);
}

void runs_dispatch(struct call *c)
{
    bool done = false;
    if (!c->watched)
        return;
    (void)lrun_execution_dispatch(c->execution, &done, NULL);
    if (!done)
        return;
    lrun_execution *x = c->execution;
    c->ended = true;
    give_to_job(c);
    c->execution = NULL;
    jobs_start(c->server, JOB_OF_RUN, c, x, wait_for_end, finish_end);
}

/* ------------------------------------------------------------------ the start */

static lrun_callbacks callbacks_of(struct call *c)
{
    lrun_callbacks callbacks = LRUN_CALLBACKS_INIT;
    callbacks.user = c;
    callbacks.on_progress = call_on_progress;
    callbacks.on_start = call_on_start;
    if (c->queue.format != LOG_NONE)
        callbacks.on_output = call_on_output;
    return callbacks;
}

static void start_run(struct job *job)
{
    struct call *c = job->call;
    lrun_callbacks callbacks = callbacks_of(c);
    callbacks.id = c->params.run;
    (void)lrun_run_json(c->server->runner, c->request, c->request_length, &callbacks,
                        &job->execution, &job->error);
}

static void start_attach(struct job *job)
{
    struct call *c = job->call;
    lrun_callbacks callbacks = callbacks_of(c);
    callbacks.on_progress = NULL;
    if (lrun_attach(c->params.run, &callbacks, &job->execution, &job->error) == 0 &&
        !job->execution)
        job->result = json_null();
}

static void finish_start(struct job *job)
{
    struct call *c = job->call;
    free(c->request);
    c->request = NULL;
    if (!job->execution) {
        answer(c, job->result, &job->error);
        return;
    }
    c->execution = job->execution;
    snprintf(c->run, sizeof(c->run), "%s", lrun_execution_id(c->execution));
    call_event(c, "started", json_pack("{ss}", "run", c->run), 0);
    if (c->cancelled)
        lrun_execution_cancel(c->execution);
    c->holder = HOLDER_LOOP;
    next_order(c);
}

/* The run goes on without us: its handle is not kept. */
static void start_detached(struct job *job)
{
    struct call *c = job->call;
    lrun_callbacks callbacks = LRUN_CALLBACKS_INIT;
    callbacks.user = c;
    callbacks.on_progress = call_on_progress;
    callbacks.cancel_fd = c->cancel_fd;
    callbacks.id = c->params.run;
    lrun_execution *x = NULL;
    if (lrun_run_json(c->server->runner, c->request, c->request_length, &callbacks, &x,
                      &job->error) == 0)
        job->result = json_pack("{ss}", "run", lrun_execution_id(x));
    lrun_execution_free(x);
}

static bool is_detached(const struct call *c)
{
    struct json_span span;
    return json_text_member(c->request, c->request_length, "detached", &span) > 0 &&
           span.length == 4 && memcmp(c->request + span.offset, "true", 4) == 0;
}

static void begin(struct call *c, void (*work)(struct job *))
{
    c->is_run = true;
    c->server->run_count++;
    c->holder = HOLDER_JOB;
    jobs_start(c->server, JOB_OF_RUN, c, NULL, work, finish_start);
}

void runs_run(struct call *c)
{
    if (!is_detached(c)) {
        begin(c, start_run);
        return;
    }
    c->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    jobs_start(c->server, JOB_OF_CALL, c, NULL, start_detached, jobs_answer);
}

void runs_attach(struct call *c)
{
    begin(c, start_attach);
}

/* ------------------------------------------------------------------ orders */

static int cancel(const struct call *c, lrun_execution *x, lrun_error *err)
{
    (void)c;
    return lrun_execution_stop(x, SIGKILL, 0, err);
}

static int stop(const struct call *c, lrun_execution *x, lrun_error *err)
{
    return lrun_execution_stop(x, c->params.signal, c->params.grace_ms, err);
}

static int pause_run(const struct call *c, lrun_execution *x, lrun_error *err)
{
    (void)c;
    return lrun_execution_pause(x, err);
}

static int resume(const struct call *c, lrun_execution *x, lrun_error *err)
{
    (void)c;
    return lrun_execution_resume(x, err);
}

static const struct order {
    const char *method, *state;
    int (*give)(const struct call *c, lrun_execution *x, lrun_error *err);
} orders[] = {
    {"cancel", "cancelling", cancel},
    {"stop", "stopping", stop},
    {"pause", "paused", pause_run},
    {"resume", "running", resume},
};

static const struct order *order_of(const struct call *c)
{
    size_t i = 0;
    while (strcmp(orders[i].method, c->method->name) != 0)
        i++;
    return &orders[i];
}

static void give_order(struct job *job)
{
    if (order_of(job->call)->give(job->call, job->execution, &job->error) == 0)
        job->result = json_object();
}

static void tell_state(struct call *run, const char *state)
{
    call_event(run, "state", json_pack("{ss}", "state", state), 0);
}

static void finish_order(struct job *job)
{
    struct call *c = job->call, *run = c->target;
    if (job->result)
        tell_state(run, order_of(c)->state);
    jobs_answer(job);
    run->holder = HOLDER_LOOP;
    next_order(run);
}

static void next_order(struct call *run)
{
    struct call *order = run->orders;
    if (!order || !run->execution || run->ended || run->holder != HOLDER_LOOP)
        return;
    run->orders = order->next_order;
    give_to_job(run);
    jobs_start(run->server, JOB_OF_RUN, order, run->execution, give_order, finish_order);
}

/* The run is not one of ours: it was detached, maybe by another process. */
static void order_other(struct job *job)
{
    struct call *c = job->call;
    lrun_execution *x = NULL;
    if (lrun_attach(c->params.run, NULL, &x, &job->error) < 0)
        return;
    if (!x) {
        error_set(&job->error, LRUN_INVALID_ARGUMENT, "control",
                  "params.run: there is no run '%.60s'", c->params.run);
        return;
    }
    job->execution = x;
    give_order(job);
    lrun_execution_free(x);
}

void runs_order(struct call *c)
{
    struct server *s = c->server;
    lrun_error e;
    struct call *target = c->params.call  ? call_find(s, c->params.call)
                          : c->params.run ? call_find_run(s, c->params.run)
                                          : NULL;
    bool is_cancel = strcmp(c->method->name, "cancel") == 0;
    if (!c->params.call == !c->params.run) {
        error_set(&e, LRUN_INVALID_ARGUMENT, "control", "params: give one of run and call");
        call_fail(c, &e);
    } else if (c->params.call && (!target || !(target->is_run || is_cancel))) {
        error_set(&e, LRUN_INVALID_ARGUMENT, "control",
                  "params.call: no request with that id has a run");
        call_fail(c, &e);
    } else if (target && !target->is_run && target->cancel_fd < 0) {
        error_set(&e, LRUN_NOT_SUPPORTED, "control", "'%s' cannot be cancelled",
                  target->method->name);
        call_fail(c, &e);
    } else if (!target) {
        jobs_start(s, JOB_OF_CALL, c, NULL, order_other, jobs_answer);
    } else if (is_cancel) {
        /* It waits for nobody, not even for the run's start or for another order. */
        call_cancel(target);
        if (target->is_run)
            tell_state(target, "cancelling");
        call_result(c, json_object());
    } else {
        struct call **at = &target->orders;
        while (*at)
            at = &(*at)->next_order;
        *at = c;
        c->target = target;
        next_order(target);
    }
}
