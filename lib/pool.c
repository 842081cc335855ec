/* SPDX-License-Identifier: MIT */
/*
 * Pools of sandboxes that are ready for a run. An entry is a supervisor whose sandbox is up and checked,
 * and which waits for the rest of its order (FRAME_RESERVE). It is used for one run and ends with it.
 * An unused one sleeps in poll(). It ends when its socket does, so it cannot outlive this process.
 */
#include "document.h"
#include "execution.h"
#include "run.h"
#include "runner.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "wire/request.h"
#include "json/request_text.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define OPERATION "pool"

enum {
    ENTRIES_MAX = 1000,
    FAILED_PAUSE = 1000,     /* ms before the next attempt, if a sandbox could not be made */
    PRESSURE_INTERVAL = 500, /* ms between two looks at the machine's memory */
};

struct entry {
    lrun_execution *run;
    int64_t made; /* ms of clock_ms() */
};

struct lrun_pool {
    const lrun_runner *runner; /* borrowed */
    lrun_pool_options options;
    struct request spec;
    json_t *key;
    struct entry *entries;
    size_t count;
    size_t target;       /* how many there should be: fewer than the size under memory pressure */
    int64_t next_refill; /* ms */
    int64_t next_look;   /* ms; at the machine's memory */
    lrun_pool_stats stats;
    lrun_error failure; /* why the last sandbox could not be made */
};

/* ---------------------------------------------------------------- the key */

/* What of a request is fixed when its sandbox is made. NULL when memory is out. */
static json_t *key_of(const struct request *r)
{
    static const char *const late[] = {
        "entrypoint", "argv", "dir",     "ignore", "links",       "input",   "timeout",
        "cpuTimeout", "env",  "extract", "tty",    "extractWhen", "detached"};
    static const char *const late_options[] = {"maxExtractBytes", "maxLogBytes"};
    json_t *key = request_to_json(r);
    for (size_t i = 0; i < sizeof(late) / sizeof(late[0]); i++)
        json_object_del(key, late[i]);
    for (size_t i = 0; i < sizeof(late_options) / sizeof(late_options[0]); i++)
        json_object_del(json_object_get(key, "options"), late_options[i]);
    return key;
}

/* Whether a run can use an entry. If the image's own command runs, then in the image's own working
 * directory, which may be another one. */
static bool fits(const lrun_pool *p, const struct request *r, const lrun_callbacks *c)
{
    json_t *key = key_of(r);
    bool same =
        key && !r->detached && !c->id && (r->entrypoint || r->argv) && json_equal(key, p->key);
    json_decref(key);
    return same;
}

/* ---------------------------------------------------------------- entries */

static bool is_ready(const struct entry *e)
{
    return e->run->ready && !e->run->ending && !e->run->ended;
}

static size_t count_ready(const lrun_pool *p)
{
    size_t ready = 0;
    for (size_t i = 0; i < p->count; i++)
        ready += is_ready(&p->entries[i]);
    return ready;
}

static lrun_execution *take_out(lrun_pool *p, size_t i)
{
    lrun_execution *run = p->entries[i].run;
    p->count--;
    memmove(&p->entries[i], &p->entries[i + 1], (p->count - i) * sizeof(p->entries[0]));
    return run;
}

static void note_failure(lrun_pool *p, const lrun_error *e)
{
    p->stats.failures++;
    p->failure = *e;
    p->next_refill = clock_ms() + FAILED_PAUSE;
}

/* Takes what an entry says. One that is over is dropped. Returns whether it is still there. */
static bool look_at(lrun_pool *p, size_t i)
{
    lrun_execution *run = p->entries[i].run;
    lrun_error e = {0};
    bool done = false;
    (void)lrun_execution_dispatch(run, &done, &e);
    if (!done)
        return true;
    lrun_result *result = NULL;
    bool was_ready = run->ready != NULL;
    if (lrun_execution_wait(run, &result, &e) < 0 && !was_ready)
        note_failure(p, &e);
    p->stats.lost += was_ready;
    lrun_result_free(result);
    lrun_execution_free(take_out(p, i));
    return false;
}

static void open_one(lrun_pool *p)
{
    lrun_error e = {0};
    struct entry *entry = &p->entries[p->count];
    if (run_reserve(&entry->run, p->runner, &p->spec, &e) < 0) {
        note_failure(p, &e);
        return;
    }
    entry->made = clock_ms();
    p->count++;
    p->stats.refills++;
}

/* Whether the machine has less than a tenth of its memory left. */
static bool memory_is_short(void)
{
    size_t length;
    cleanup_free char *text = io_read_file_at(AT_FDCWD, "/proc/meminfo", 64 * 1024, &length);
    unsigned long long total = 0, available = 0;
    const char *at = text ? strstr(text, "MemTotal:") : NULL;
    if (!at || sscanf(at, "MemTotal: %llu", &total) != 1 || !(at = strstr(text, "MemAvailable:")) ||
        sscanf(at, "MemAvailable: %llu", &available) != 1)
        return false;
    return available < total / 10;
}

static void adapt_to_memory(lrun_pool *p)
{
    if (clock_ms() < p->next_look)
        return;
    p->next_look = clock_ms() + PRESSURE_INTERVAL;
    p->target = memory_is_short() ? p->options.min_ready : p->options.entries;
}

static bool is_too_old(const lrun_pool *p, const struct entry *e)
{
    return p->options.max_age_ms && clock_ms() - e->made >= (int64_t)p->options.max_age_ms;
}

/* Drops what is over, too old or too much, and makes what is missing. */
static void tend(lrun_pool *p)
{
    adapt_to_memory(p);
    for (size_t i = p->count; i-- > 0;) {
        if (!look_at(p, i))
            continue;
        if (p->count > p->target || (is_ready(&p->entries[i]) && is_too_old(p, &p->entries[i])))
            lrun_execution_free(take_out(p, i));
    }
    while (p->count < p->target && clock_ms() >= p->next_refill) {
        size_t before = p->count;
        open_one(p);
        if (p->count == before)
            return;
        if (p->options.refill)
            p->next_refill = clock_ms() + 1000 / p->options.refill;
    }
}

/* Waits until that many are ready. */
static int wait_for(lrun_pool *p, size_t ready, int64_t limit, lrun_error *err)
{
    uint64_t failures = p->stats.failures;
    for (;;) {
        tend(p);
        if (count_ready(p) >= ready)
            return 0;
        if (p->stats.failures > failures) {
            if (err)
                *err = p->failure;
            return -1;
        }
        if (clock_ms() >= limit) {
            error_set(err, LRUN_POOL_EMPTY, OPERATION, "no sandbox became ready in time");
            return error_hint(err, "give the pool more entries, or the wait more time");
        }
        struct pollfd polls[ENTRIES_MAX];
        for (size_t i = 0; i < p->count; i++)
            polls[i] = (struct pollfd){lrun_execution_fd(p->entries[i].run), POLLIN, 0};
        /* The next refill may be due before anything arrives. */
        int64_t next = p->count < p->target && p->next_refill < limit ? p->next_refill : limit;
        (void)poll(polls, p->count, io_poll_timeout(next));
    }
}

/* ---------------------------------------------------------------- the pool */

static int take_options(lrun_pool_options *o, const lrun_pool_options *given, lrun_error *err)
{
    if (given &&
        runner_take_struct(o, sizeof(*o), given, given->size, "lrun_pool_options", err) < 0)
        return -1;
    if (o->entries < 1 || o->entries > ENTRIES_MAX)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "entries: must be 1 to %d",
                         ENTRIES_MAX);
    if (o->min_ready > o->entries)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "min_ready: is more than entries");
    if (o->refill > 1000)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "refill: at most 1000 a second");
    if (o->when_empty < LRUN_POOL_COLD || o->when_empty > LRUN_POOL_REFUSE)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "when_empty: is not known");
    if (o->max_age_ms > INT64_MAX || o->wait_ms > INT32_MAX)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "max_age_ms, wait_ms: too long");
    return 0;
}

/* Takes the document's reference. */
static int make(lrun_pool **out, const lrun_runner *runner, json_t *document,
                const lrun_pool_options *options, lrun_error *err)
{
    static const char *const of_runs[] = {"entrypoint", "command", "argv",     "input",      "dir",
                                          "extract",    "tty",     "detached", "extractWhen"};
    const lrun_callbacks none = LRUN_CALLBACKS_INIT;
    for (size_t i = 0; i < sizeof(of_runs) / sizeof(of_runs[0]); i++) {
        if (json_object_get(document, of_runs[i])) {
            json_decref(document);
            return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
                             "%s: belongs to a run, not to a pool", of_runs[i]);
        }
    }
    /* Runs have commands, which may decide where files go. */
    json_object_set_new(document, "entrypoint", json_string("true"));
    lrun_pool *p = calloc(1, sizeof(*p));
    struct entry *entries = p ? calloc(ENTRIES_MAX, sizeof(*entries)) : NULL;
    if (!entries) {
        free(p);
        json_decref(document);
        return error_oom(err, OPERATION);
    }
    *p = (lrun_pool){
        .runner = runner, .options = *options, .entries = entries, .target = options->entries};
    if (run_read_request(&p->spec, runner, document, &none, err) < 0) {
        lrun_pool_free(p);
        return -1;
    }
    if (!(p->key = key_of(&p->spec))) {
        lrun_pool_free(p);
        return error_oom(err, OPERATION);
    }
    tend(p);
    *out = p;
    return 0;
}

int lrun_pool_new(const lrun_runner *runner, const lrun_request *spec,
                  const lrun_pool_options *options, lrun_pool **out, lrun_error *err)
{
    lrun_request r = LRUN_REQUEST_INIT;
    lrun_pool_options o = LRUN_POOL_OPTIONS_INIT;
    json_t *document;
    if (!runner || !spec || !out)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "runner, spec or out is NULL");
    *out = NULL;
    if (runner_take_struct(&r, sizeof(r), spec, spec->size, "lrun_request", err) < 0 ||
        take_options(&o, options, err) < 0)
        return -1;
    if (r.input_json)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
                         "input_json: belongs to a run, not to a pool");
    return document_from_request(&document, &r, err) < 0 ? -1
                                                         : make(out, runner, document, &o, err);
}

int lrun_pool_new_json(const lrun_runner *runner, const char *json, size_t length,
                       const lrun_pool_options *options, lrun_pool **out, lrun_error *err)
{
    lrun_pool_options o = LRUN_POOL_OPTIONS_INIT;
    json_t *document;
    if (!runner || !json || !out)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "runner, json or out is NULL");
    *out = NULL;
    return take_options(&o, options, err) < 0 || request_text_load(&document, json, length, err) < 0
               ? -1
               : make(out, runner, document, &o, err);
}

int lrun_pool_wait(lrun_pool *pool, size_t ready, int64_t timeout_ms, lrun_error *err)
{
    if (!pool || ready > pool->options.entries)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
                         "pool is NULL, or it never has so many entries");
    return wait_for(pool, ready, timeout_ms < 0 ? IO_NO_DEADLINE : clock_ms() + timeout_ms, err);
}

/* Gives a run the oldest entry. Returns 1 if there is none. */
static int run_warm(lrun_pool *p, const struct request *r, const lrun_callbacks *c,
                    lrun_execution **out, lrun_error *err)
{
    for (size_t i = 0; i < p->count;) {
        lrun_error e = {0};
        if (!is_ready(&p->entries[i])) {
            i++;
            continue;
        }
        lrun_execution *run = take_out(p, i);
        if (run_use_reserved(run, r, c, &e) == 0) {
            p->stats.hits++;
            *out = run;
            return 0;
        }
        lrun_execution_free(run);
        /* It died a moment ago. */
        if (e.code == LRUN_SUPERVISOR_LOST) {
            p->stats.lost++;
            continue;
        }
        if (err)
            *err = e;
        return -1;
    }
    return 1;
}

static int run_one(lrun_pool *p, const struct request *r, const lrun_callbacks *c,
                   lrun_execution **out, lrun_error *err)
{
    if (!fits(p, r, c)) {
        p->stats.misses++;
        return run_start(out, p->runner, r, 0, c, err);
    }
    for (size_t i = p->count; i-- > 0;)
        (void)look_at(p, i);
    int rc = run_warm(p, r, c, out, err);
    if (rc == 1 && p->options.when_empty == LRUN_POOL_REFUSE) {
        p->stats.misses++;
        error_set(err, LRUN_POOL_EMPTY, OPERATION, "no sandbox is ready");
        return error_hint(err, "try again, or let runs wait for one or start without one");
    }
    if (rc == 1 && p->options.when_empty == LRUN_POOL_WAIT)
        rc = wait_for(p, 1, clock_ms() + (int64_t)p->options.wait_ms, err) < 0
                 ? -1
                 : run_warm(p, r, c, out, err);
    if (rc != 1)
        return rc;
    p->stats.misses++;
    return run_start(out, p->runner, r, 0, c, err);
}

/* Takes the document's reference. */
static int run_document(lrun_pool *p, json_t *document, const char *input, const lrun_callbacks *c,
                        lrun_execution **out, lrun_error *err)
{
    cleanup_request struct request r = {0};
    if (run_read_request(&r, p->runner, document, c, err) < 0)
        return -1;
    if (input && !(r.input = strdup(input)))
        return error_oom(err, OPERATION);
    if (r.input && c->input_fd >= 0)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
                         "input: given both as JSON and as an fd");
    int rc = run_one(p, &r, c, out, err);
    /* While the run is going, its successor comes up. */
    tend(p);
    return rc;
}

int lrun_pool_run(lrun_pool *pool, const lrun_request *request, const lrun_callbacks *callbacks,
                  lrun_execution **out, lrun_error *err)
{
    lrun_request r = LRUN_REQUEST_INIT;
    lrun_callbacks c;
    json_t *document, *input = NULL;
    if (!pool || !request || !out)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "pool, request or out is NULL");
    *out = NULL;
    if (runner_take_struct(&r, sizeof(r), request, request->size, "lrun_request", err) < 0 ||
        runner_take_callbacks(&c, callbacks, err) < 0 ||
        (r.input_json &&
         request_text_input(&input, "input", r.input_json, strlen(r.input_json), err) < 0))
        return -1;
    json_decref(input); /* the text goes to stdin unchanged */
    return document_from_request(&document, &r, err) < 0
               ? -1
               : run_document(pool, document, r.input_json, &c, out, err);
}

int lrun_pool_run_json(lrun_pool *pool, const char *json, size_t length,
                       const lrun_callbacks *callbacks, lrun_execution **out, lrun_error *err)
{
    lrun_callbacks c;
    json_t *document;
    if (!pool || !json || !out)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "pool, json or out is NULL");
    *out = NULL;
    return runner_take_callbacks(&c, callbacks, err) < 0 ||
                   request_text_load(&document, json, length, err) < 0
               ? -1
               : run_document(pool, document, NULL, &c, out, err);
}

int lrun_pool_tend(lrun_pool *pool, lrun_pool_stats *stats, lrun_error *err)
{
    if (!pool)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "pool is NULL");
    tend(pool);
    lrun_pool_stats now = pool->stats;
    now.ready = count_ready(pool);
    now.starting = pool->count - now.ready;
    for (size_t i = 0; i < pool->count; i++) {
        uint64_t age = (uint64_t)(clock_ms() - pool->entries[i].made);
        if (is_ready(&pool->entries[i]) && age > now.oldest_ms)
            now.oldest_ms = age;
    }
    return stats ? runner_give_struct(stats, stats->size, &now, sizeof(now), "lrun_pool_stats", err)
                 : 0;
}

void lrun_pool_free(lrun_pool *pool)
{
    if (!pool)
        return;
    /* All at once, so that they end beside one another. */
    for (size_t i = 0; i < pool->count; i++)
        (void)lrun_execution_cancel(pool->entries[i].run);
    for (size_t i = 0; i < pool->count; i++)
        lrun_execution_free(pool->entries[i].run);
    request_free(&pool->spec);
    json_decref(pool->key);
    free(pool->entries);
    free(pool);
}
