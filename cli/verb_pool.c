/* SPDX-License-Identifier: MIT */
/* light-runner pool: commands of stdin, each in a sandbox of a pool. */
#include "cli_runner.h"
#include "interrupt.h"
#include "outcome.h"
#include "run_flags.h"
#include "verbs.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "json/request_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define OPERATION "cli.pool"

/* The request of one line. Takes nothing from the document, which is the pool's spec. */
static char *request_of(const json_t *spec, const char *line, lrun_error *err)
{
    json_t *request = json_copy((json_t *)(uintptr_t)spec);
    json_t *command = json_string(line);
    if (!command)
        error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "a command must be UTF-8");
    else if (json_object_set(request, "entrypoint", command) < 0)
        error_oom(err, OPERATION);
    char *text = command ? request_text_dump(request) : NULL;
    json_decref(command);
    json_decref(request);
    return text;
}

static int run_line(lrun_pool *pool, const json_t *spec, const char *line, struct outcome *o,
                    bool *failed, lrun_error *err)
{
    cleanup_free char *text = request_of(spec, line, err);
    if (!text)
        return -1;
    const lrun_callbacks callbacks = outcome_callbacks(o, -1);
    lrun_execution *execution = NULL;
    lrun_result *result = NULL;
    int rc = lrun_pool_run_json(pool, text, strlen(text), &callbacks, &execution, err);
    if (rc == 0)
        rc = lrun_execution_wait(execution, &result, err);
    lrun_execution_free(execution);
    if (rc == 0 && outcome_print(o, result) != 0)
        *failed = true;
    if (o->json)
        (void)fflush(stdout);
    lrun_result_free(result);
    return rc;
}

static void report(lrun_pool *pool, struct outcome *o)
{
    lrun_pool_stats s = LRUN_POOL_STATS_INIT;
    if (lrun_pool_tend(pool, &s, NULL) < 0)
        return;
    if (o->json)
        (void)cli_json(json_pack("{s{sI,sI,sI,sI,sI,sI,sI,sI}}", "pool", "hits", (json_int_t)s.hits,
                                 "misses", (json_int_t)s.misses, "refills", (json_int_t)s.refills,
                                 "failures", (json_int_t)s.failures, "lost", (json_int_t)s.lost,
                                 "ready", (json_int_t)s.ready, "starting", (json_int_t)s.starting,
                                 "oldestMs", (json_int_t)s.oldest_ms),
                       JSON_COMPACT);
    else
        outcome_say(o, "%" PRIu64 " runs found a sandbox ready, %" PRIu64 " did not", s.hits,
                    s.misses);
}

static int serve(struct run_flags *f, struct outcome *o, bool *failed, lrun_error *err)
{
    cleanup_free char *text = request_text_dump(f->document), *line = NULL;
    lrun_runner *runner = NULL;
    lrun_pool *pool = NULL;
    size_t room = 0;
    ssize_t length;
    if (!text)
        return error_oom(err, OPERATION);
    if (cli_runner(&runner, NULL, NULL, err) < 0)
        return -1;
    int rc = lrun_pool_new_json(runner, text, strlen(text), &f->pool, &pool, err);
    while (rc == 0 && !interrupt_came && (length = getline(&line, &room, stdin)) >= 0) {
        if (length > 0 && line[length - 1] == '\n')
            line[length - 1] = '\0';
        if (*line)
            rc = run_line(pool, f->document, line, o, failed, err);
    }
    if (pool)
        report(pool, o);
    lrun_pool_free(pool);
    lrun_runner_free(runner);
    return rc;
}

int verb_pool(int argc, char **argv)
{
    lrun_error e = {0};
    cleanup_run_flags struct run_flags f = {.input_fd = -1};
    struct outcome o;
    bool failed = false;
    if (run_flags_parse(&f, &pool_command, argc, argv, &e) < 0)
        return cli_fail(&e, f.json);
    if (f.help) {
        flags_help(&pool_command);
        return 0;
    }
    if (outcome_init(&o, f.json, &e) < 0 || serve(&f, &o, &failed, &e) < 0)
        return cli_fail(&e, f.json);
    return fflush(stdout) != 0 ? CLI_FAILED : failed ? 1 : 0;
}
