/* SPDX-License-Identifier: MIT */
#include "cli_runner.h"
#include "outcome.h"
#include "run_flags.h"
#include "verbs.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "json/request_text.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#define OPERATION "cli.run"

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
    struct terminal terminal;
    if (f->tty && terminal_init(&terminal, f->input_fd, f->document, err) < 0)
        return -1;
    o->terminal = f->tty ? &terminal : NULL;
    cleanup_free char *text = request_text_dump(f->document);
    if (!text)
        return error_oom(err, OPERATION);

    const lrun_callbacks callbacks = outcome_callbacks(o, f->input_fd);
    lrun_runner *runner;
    if (cli_runner(&runner, NULL, NULL, err) < 0)
        return -1;
    lrun_execution *execution = NULL;
    int rc = lrun_run_json(runner, text, strlen(text), &callbacks, &execution, err);
    bool detached = json_is_true(json_object_get(f->document, "detached"));
    if (rc == 0 && detached)
        rc = print_id(o, execution, err);
    else if (rc == 0)
        rc = outcome_wait(o, execution, result, err);
    lrun_execution_free(execution);
    lrun_runner_free(runner);
    progress_clear(&o->progress);
    if (o->terminal)
        terminal_restore(o->terminal);
    return rc;
}

int verb_run(int argc, char **argv)
{
    lrun_error e = {0};
    cleanup_run_flags struct run_flags f = {.input_fd = -1};
    if (run_flags_parse(&f, &run_command, argc, argv, &e) < 0)
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
        outcome_timing(&o, result);
    lrun_result_free(result);
    return code;
}
