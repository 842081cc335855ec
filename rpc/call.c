/* SPDX-License-Identifier: MIT */
#include "call.h"

#include "message.h"
#include "server.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <string.h>
#include <sys/eventfd.h>

/* A thread that has more than this for the client waits until the client has taken it. */
enum { THREAD_QUEUE_MAX = 1024 * 1024 };

struct call *call_new(struct server *s, json_t *id, const struct method *method,
                      struct params *params)
{
    struct call *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->server = s;
    c->id = json_incref(id);
    c->method = method;
    c->params = *params;
    *params = (struct params){0};
    c->cancel_fd = -1;
    c->queue.format = c->params.logs;
    c->has_window = c->params.given & PARAM_WINDOW;
    c->window = c->params.window;
    *s->last_call = c;
    s->last_call = &c->next;
    s->call_count++;
    return c;
}

void call_free(struct call *c)
{
    json_decref(c->id);
    params_free(&c->params);
    free(c->request);
    queue_free(&c->queue);
    cleanup_close_fd(&c->cancel_fd);
    free(c);
}

struct call *call_find(struct server *s, const json_t *id)
{
    for (struct call *c = s->calls; c; c = c->next)
        if (!c->answered && json_equal(c->id, id))
            return c;
    return NULL;
}

struct call *call_find_run(struct server *s, const char *run)
{
    for (struct call *c = s->calls; c; c = c->next)
        if (c->is_run && !c->answered && strcmp(c->run, run) == 0)
            return c;
    return NULL;
}

/* ------------------------------------------------------------------ to the client */

static bool in_loop(const struct server *s)
{
    return pthread_equal(pthread_self(), s->loop) != 0;
}

/* The client cannot be told everything any more, so the call must not go on. */
static void starve(struct call *c)
{
    if (c->execution)
        lrun_execution_cancel(c->execution);
}

static void add_line(struct call *c, char *line, size_t cost)
{
    struct server *s = c->server;
    pthread_mutex_lock(&s->lock);
    bool added = queue_line(&c->queue, line, cost);
    pthread_mutex_unlock(&s->lock);
    if (!added)
        starve(c);
    if (!in_loop(s))
        server_wake(s);
}

void call_result(struct call *c, json_t *result)
{
    add_line(c, message_response(c->id, result), 0);
    c->answered = true;
}

void call_fail_with_counts(struct call *c, const lrun_error *e, json_t *counts)
{
    add_line(c, message_error(c->id, e, counts), 0);
    c->answered = true;
}

void call_fail(struct call *c, const lrun_error *e)
{
    call_fail_with_counts(c, e, NULL);
}

void call_event(struct call *c, const char *name, json_t *event, size_t cost)
{
    add_line(c, message_event(c->id, name, event), cost);
}

/* Called with the lock. */
static void wait_for_client(struct call *c)
{
    struct server *s = c->server;
    while (!in_loop(s) && c->queue.bytes > THREAD_QUEUE_MAX && !s->closing && !c->cancelled)
        pthread_cond_wait(&s->drained, &s->lock);
}

void call_on_output(void *user, lrun_stream stream, const char *data, size_t length)
{
    struct call *c = user;
    struct server *s = c->server;
    pthread_mutex_lock(&s->lock);
    wait_for_client(c);
    bool added = queue_output(&c->queue, stream, data, length);
    pthread_mutex_unlock(&s->lock);
    if (!added)
        starve(c);
    if (!in_loop(s))
        server_wake(s);
}

void call_on_start(void *user)
{
    call_event(user, "state", json_pack("{ss}", "state", "running"), 0);
}

void call_on_progress(void *user, const lrun_progress *progress)
{
    call_event(user, "progress",
               json_pack("{ss,sI,sI}", "what", progress->what, "done", (json_int_t)progress->done,
                         "total", (json_int_t)progress->total),
               0);
}

void call_on_line(void *user, lrun_stream stream, int64_t time_ms, const char *data, size_t length)
{
    struct call *c = user;
    struct server *s = c->server;
    pthread_mutex_lock(&s->lock);
    wait_for_client(c);
    bool drop = s->closing || c->cancelled;
    pthread_mutex_unlock(&s->lock);
    if (drop)
        return;
    json_t *text = json_stringn(data, length);
    cleanup_free char *clean = text ? NULL : text_to_utf8(data, length);
    size_t cost = length + 1 + QUEUE_EVENT_COST;
    call_event(c, "log",
               json_pack("{ss,so,sI,sI}", "stream", stream == LRUN_STDOUT ? "stdout" : "stderr",
                         "line", clean ? json_string(clean) : text, "time", (json_int_t)time_ms,
                         "size", (json_int_t)cost),
               cost);
}

void call_cancel(struct call *c)
{
    struct server *s = c->server;
    const uint64_t one = 1;
    pthread_mutex_lock(&s->lock);
    c->cancelled = true;
    pthread_cond_broadcast(&s->drained);
    pthread_mutex_unlock(&s->lock);
    if (c->cancel_fd >= 0 && write(c->cancel_fd, &one, sizeof(one)) < 0)
        return; /* it is readable already */
    if (c->execution)
        lrun_execution_cancel(c->execution);
}
