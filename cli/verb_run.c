/* SPDX-License-Identifier: MIT */
#include "cli_runner.h"
#include "outcome.h"
#include "run_flags.h"
#include "verbs.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "wire/request.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#define OPERATION "cli.run"

static void on_progress(void *user, const lrun_progress *p)
{
    struct outcome *o = user;
    static const struct {
        const char *what, *doing;
    } words[] = {{"pull", "pulling the image"}, {"setup", "setting the image up"}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(words[i].what, p->what) == 0)
            progress_show(&o->progress, words[i].doing, p->done, p->total);
}

/* Prints the id. If that fails, cancels the run: nobody knows its id, so it must not continue. */
static int print_id(const struct outcome *o, lrun_execution *x, lrun_error *err)
{
    const char *id = lrun_execution_id(x);
    lrun_error ignored;
    if (printf(o->json ? "{\"id\":\"%s\"}\n" : "%s\n", id) >= 0 && fflush(stdout) == 0)
        return 0;
    int failed = errno;
    clearerr(stdout);
    (void)lrun_execution_stop(x, SIGKILL, 0, &ignored);
    return error_errno(err, LRUN_IO_FAILED, OPERATION, failed,
                       "cannot print the id of the run '%s', which was cancelled", id);
}

/* *result is NULL for a detached run, whose id is printed instead. */
static int execute(const struct run_flags *f, struct outcome *o, lrun_result **result,
                   lrun_error *err)
{
    cleanup_free char *text = request_dump(f->document);
    if (!text)
        return error_oom(err, OPERATION);

    lrun_callbacks callbacks = LRUN_CALLBACKS_INIT;
    callbacks.input_fd = f->input_fd;
    callbacks.cancel_fd = o->stop_fd;
    callbacks.on_output = outcome_output;
    callbacks.user = o;
    if (o->progress.terminal)
        callbacks.on_progress = on_progress;

    lrun_runner *runner;
    if (cli_runner(&runner, NULL, NULL, err) < 0)
        return -1;
    lrun_execution *execution = NULL;
    int rc = lrun_run_json(runner, text, strlen(text), &callbacks, &execution, err);
    bool detached = json_is_true(json_object_get(f->document, "detached"));
    if (rc == 0 && detached)
        rc = print_id(o, execution, err);
    else if (rc == 0)
        rc = lrun_execution_wait(execution, result, err);
    lrun_execution_free(execution);
    lrun_runner_free(runner);
    progress_clear(&o->progress);
    return rc;
}

int verb_run(int argc, char **argv)
{
    lrun_error e = {0};
    cleanup_run_flags struct run_flags f = {.input_fd = -1};
    if (run_flags_parse(&f, argc, argv, &e) < 0)
        return cli_fail(&e, f.json);
    if (f.help) {
        flags_help(&run_command);
        return 0;
    }
    struct outcome o;
    lrun_result *result = NULL;
    if (outcome_init(&o, f.json, &e) < 0 || execute(&f, &o, &result, &e) < 0)
        return cli_fail(&e, f.json);
    if (!result)
        return 0;
    int code = outcome_print(&o, result);
    if (f.timing)
        outcome_say(&o,
                    "prepare %.1f ms, start %.1f ms, run %.1f ms, collect %.1f ms; %" PRIu64
                    " ms in all",
                    result->timings->prepare_ms, result->timings->start_ms, result->timings->run_ms,
                    result->timings->collect_ms, result->duration_ms);
    lrun_result_free(result);
    return code;
}
