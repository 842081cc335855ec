/* SPDX-License-Identifier: MIT */
/* A runner whose supervisor is fake_supervisor.c, and what tests of runs with it share. */
#ifndef TESTS_FAKE_RUNNER_H
#define TESTS_FAKE_RUNNER_H

#include "unit.h"

#include "lightrunner.h"

#include <stdlib.h>

struct log {
    char out[4096], err[4096];
    size_t lines, bytes;
};

static void keep_line(void *user, lrun_stream stream, const char *data, size_t length)
{
    struct log *log = user;
    char *to = stream == LRUN_STDOUT ? log->out : log->err;
    log->lines++;
    if (strlen(to) + length + 2 < sizeof(log->out)) {
        strncat(to, data, length);
        strcat(to, "|");
    }
}

static lrun_runner *runner;

static int make_runner(void **state)
{
    (void)state;
    lrun_runner_options options = LRUN_RUNNER_OPTIONS_INIT;
    options.supervisor = getenv("FAKE_SUPERVISOR");
    return lrun_runner_new(&runner, &options, NULL);
}

static int free_runner(void **state)
{
    (void)state;
    lrun_runner_free(runner);
    return 0;
}

static lrun_execution *started(const lrun_request *request, const lrun_callbacks *callbacks)
{
    lrun_execution *x = NULL;
    lrun_error e = {0};
    if (lrun_run(runner, request, callbacks, &x, &e) < 0)
        fail_msg("%s", e.message);
    return x;
}

/* Waits for the end of a run. Returns its result, or NULL with *e for an error. */
static lrun_result *finished(const lrun_request *request, const lrun_callbacks *callbacks,
                             lrun_error *e)
{
    lrun_execution *x = started(request, callbacks);
    lrun_result *r = NULL;
    if (lrun_execution_wait(x, &r, e) < 0)
        r = NULL;
    lrun_execution_free(x);
    return r;
}

/* Declares a request, and its callbacks. */
#define REQUEST(name, what)                                                                        \
    lrun_callbacks callbacks = LRUN_CALLBACKS_INIT;                                                \
    lrun_request name = LRUN_REQUEST_INIT;                                                         \
    name.image = "image";                                                                          \
    name.entrypoint = what

static void check_code(const lrun_request *request, const lrun_callbacks *callbacks, int code)
{
    lrun_error e = {0};
    lrun_result *r = finished(request, callbacks, &e);
    if (!r)
        fail_msg("%s", e.message);
    assert_int_equal(r->exit_code, code);
    lrun_result_free(r);
}

#endif
