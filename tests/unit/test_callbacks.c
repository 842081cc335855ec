/* SPDX-License-Identifier: MIT */
/*
 * What a callback may do with the execution that it is called for. fake_supervisor.c sends a
 * PROGRESS, prints the lines one, two and three, and then prints another line for each order that
 * it gets.
 */
#include "unit.h"

#include "lightrunner.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

enum by { BY_OUTPUT, BY_LOG, BY_PROGRESS, BY_COUNT };

struct caller {
    lrun_execution *x;
    void (*act)(struct caller *c); /* called once, in the first callback of the kind `by` */
    enum by by;
    char seen[256]; /* every piece of output, or every line */
    int calls;      /* of act */
    int after;      /* callbacks after that */
    int rc;
};

static void called(struct caller *c, enum by by)
{
    c->after += c->calls;
    if (by != c->by || c->calls)
        return;
    c->calls++;
    c->act(c);
}

static void see(struct caller *c, const char *data, size_t length)
{
    if (length && data[length - 1] == '\n')
        length--;
    snprintf(c->seen + strlen(c->seen), sizeof(c->seen) - strlen(c->seen), "%.*s|", (int)length,
             data);
}

static void on_output(void *user, lrun_stream stream, const char *data, size_t length)
{
    (void)stream;
    see(user, data, length);
    called(user, BY_OUTPUT);
}

static void on_log(void *user, lrun_stream stream, const char *data, size_t length)
{
    (void)stream;
    see(user, data, length);
    called(user, BY_LOG);
}

static void on_progress(void *user, const lrun_progress *progress)
{
    (void)progress;
    called(user, BY_PROGRESS);
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

/* Starts a run that calls c->act() in the first callback of the kind `by`. */
static void start_command(struct caller *c, const char *command, enum by by,
                          void (*act)(struct caller *c))
{
    *c = (struct caller){.act = act, .by = by};
    lrun_request request = LRUN_REQUEST_INIT;
    lrun_callbacks callbacks = LRUN_CALLBACKS_INIT;
    lrun_error e = LRUN_ERROR_INIT;
    request.image = "image";
    request.entrypoint = command;
    callbacks.user = c;
    callbacks.on_progress = on_progress;
    if (by == BY_LOG)
        callbacks.on_line = on_log;
    else
        callbacks.on_output = on_output;
    if (lrun_run(runner, &request, &callbacks, &c->x, &e) < 0)
        fail_msg("%s", e.message);
}

static void start(struct caller *c, enum by by, void (*act)(struct caller *c))
{
    start_command(c, "controls", by, act);
}

/* Waits until a stop has ended the run, and frees it. */
static void finish(struct caller *c, const char *seen)
{
    lrun_result *r = NULL;
    lrun_error e = LRUN_ERROR_INIT;
    if (lrun_execution_wait(c->x, &r, &e) < 0)
        fail_msg("by %d: %s; seen: %s", c->by, e.message, c->seen);
    assert_string_equal(c->seen, seen);
    assert_true(r->cancelled);
    assert_int_equal(c->calls, 1);
    lrun_result_free(r);
    lrun_execution_free(c->x);
}

static void stop(struct caller *c)
{
    lrun_error e = LRUN_ERROR_INIT;
    c->rc = lrun_execution_stop(c->x, 0, -1, &e);
    if (c->rc < 0)
        fprintf(stderr, "stop: %s\n", e.message);
}

/* All output comes once and in order, and the stop reaches the supervisor. */
static void test_stop(void **state)
{
    (void)state;
    for (enum by by = 0; by < BY_COUNT; by++) {
        struct caller c;
        start(&c, by, stop);
        finish(&c, by == BY_LOG ? "one|two|three|told stop|" : "one|two|three|told |stop||");
        assert_int_equal(c.rc, 0);
    }
}

/* The answer to the callback's stop comes first. It is not taken for the answer to the pause. */
static void test_a_late_answer_is_not_taken_for_the_next(void **state)
{
    (void)state;
    struct caller c;
    lrun_error e = LRUN_ERROR_INIT;
    start_command(&c, "late answer", BY_LOG, stop);
    while (!c.calls) {
        struct pollfd p = {lrun_execution_fd(c.x), POLLIN, 0};
        assert_int_equal(poll(&p, 1, 10000), 1);
        assert_int_equal(lrun_execution_dispatch(c.x, NULL, NULL), 0);
    }
    assert_int_equal(lrun_execution_pause(c.x, &e), -1);
    assert_int_equal(e.code, LRUN_INTERNAL);
    assert_string_equal(e.message, "it cannot be done");
    finish(&c, "one|two|three|told stop|told pause|");
}

static void stop_badly(struct caller *c)
{
    lrun_error e = LRUN_ERROR_INIT;
    assert_int_equal(lrun_execution_stop(c->x, 1000, 0, &e), -1);
    assert_int_equal(e.code, LRUN_INVALID_ARGUMENT);
    assert_int_equal(lrun_execution_stop(c->x, 0, INT64_MAX, &e), -1);
    assert_int_equal(e.code, LRUN_INVALID_ARGUMENT);
    stop(c);
}

/* A callback does not get the supervisor's answer, so the library checks the arguments itself. */
static void test_stop_checks_its_arguments(void **state)
{
    struct caller c;
    (void)state;
    start(&c, BY_LOG, stop_badly);
    finish(&c, "one|two|three|told stop|");
    assert_int_equal(c.rc, 0);
}

static void cancel(struct caller *c)
{
    c->rc = lrun_execution_cancel(c->x);
}

static void test_cancel(void **state)
{
    (void)state;
    for (enum by by = 0; by < BY_COUNT; by++) {
        struct caller c;
        start(&c, by, cancel);
        finish(&c, "one|two|three|");
        assert_int_equal(c.rc, 0);
    }
}

static void read_from_it(struct caller *c)
{
    lrun_error e[4] = {LRUN_ERROR_INIT};
    lrun_result *r = (lrun_result *)c;
    bool done = true;
    c->rc = lrun_execution_dispatch(c->x, &done, &e[0]) == -1 &&
            lrun_execution_wait(c->x, &r, &e[1]) == -1 && lrun_execution_pause(c->x, &e[2]) == -1 &&
            lrun_execution_resume(c->x, &e[3]) == -1;
    for (int i = 0; i < 4; i++)
        if (e[i].code != LRUN_INVALID_ARGUMENT || !strstr(e[i].message, "callback") ||
            !e[i].hint[0])
            fail_msg("call %d: %s: %s", i, lrun_code_name(e[i].code), e[i].message);
    assert_null(r);
    assert_false(done);
    assert_int_equal(lrun_execution_cancel(c->x), 0);
}

static void test_what_reads_is_refused(void **state)
{
    (void)state;
    for (enum by by = 0; by < BY_COUNT; by++) {
        struct caller c;
        start(&c, by, read_from_it);
        finish(&c, "one|two|three|");
        assert_int_equal(c.rc, 1);
    }
}

static void free_it(struct caller *c)
{
    lrun_execution_free(c->x);
}

static int do_wait(lrun_execution *x, lrun_error *err)
{
    lrun_result *r = (lrun_result *)err;
    int rc = lrun_execution_wait(x, &r, err);
    assert_null(r);
    return rc;
}

static int do_dispatch(lrun_execution *x, lrun_error *err)
{
    bool done = false;
    int rc = 0;
    while (!done) {
        struct pollfd p = {lrun_execution_fd(x), POLLIN, 0};
        assert_int_equal(poll(&p, 1, 10000), 1);
        rc = lrun_execution_dispatch(x, &done, err);
    }
    return rc;
}

static int do_stop(lrun_execution *x, lrun_error *err)
{
    return lrun_execution_stop(x, 0, -1, err);
}

/* If a callback frees the handle, the run ends with the call that called the callback, and nothing
 * more is delivered. */
static void test_free_is_put_off(void **state)
{
    (void)state;
    static int (*const calls[])(lrun_execution * x, lrun_error * err) = {
        do_wait, do_dispatch, do_stop, lrun_execution_pause, lrun_execution_resume};
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        for (enum by by = 0; by < BY_COUNT; by++) {
            struct caller c;
            lrun_error e = LRUN_ERROR_INIT;
            start(&c, by, free_it);
            assert_int_equal(calls[i](c.x, &e), -1);
            assert_int_equal(e.code, LRUN_INVALID_ARGUMENT);
            assert_non_null(strstr(e.message, "freed"));
            assert_int_equal(c.calls, 1);
            assert_int_equal(c.after, 0);
            assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_stop_checks_its_arguments),
        cmocka_unit_test(test_a_late_answer_is_not_taken_for_the_next),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_what_reads_is_refused),
        cmocka_unit_test(test_free_is_put_off),
    };
    return cmocka_run_group_tests_name("callbacks", tests, make_runner, free_runner);
}
