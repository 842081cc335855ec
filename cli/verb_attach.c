/* SPDX-License-Identifier: MIT */
#include "detached.h"
#include "outcome.h"
#include "verbs.h"

#include <poll.h>
#include <signal.h>

const struct command attach_command = {
    .name = "attach",
    .usage = "[flags] ID",
    .about = "Prints the output of a detached run from now on, waits for its end, and exits with "
             "its exit\n"
             "code. Several callers may attach at once. Ctrl-C ends the waiting, not the run.",
    .flags = detached_flags,
    .notes = DETACHED_NOTES,
    .words = COMPLETE_RUNS,
};

/* Waits until the run has ended. Returns 1 if a signal says that nobody waits any more. */
static int wait_for_end(struct outcome *o, lrun_execution *x, lrun_result **result, lrun_error *err)
{
    bool done = false;
    while (lrun_execution_dispatch(x, &done, err) == 0 && !done) {
        struct pollfd p[2] = {{lrun_execution_fd(x), POLLIN, 0}, {o->stop_fd, POLLIN, 0}};
        if (poll(p, 2, -1) > 0 && p[1].revents)
            return 1;
    }
    return lrun_execution_wait(x, result, err);
}

int verb_attach(int argc, char **argv)
{
    struct detached_words w = {0};
    struct outcome o;
    lrun_error e = {0};
    int code;
    if (!cli_parse(&attach_command, &w, &argc, argv, &code))
        return code;
    if (argc != 2)
        return cli_usage("attach", w.json, "it takes one ID");
    const char *id = argv[1];
    lrun_execution *x = NULL;
    lrun_result *result = NULL;
    lrun_callbacks callbacks = LRUN_CALLBACKS_INIT;
    callbacks.on_output = outcome_output;
    callbacks.user = &o;
    if (outcome_init(&o, w.json, &e) < 0 || lrun_attach(id, &callbacks, &x, &e) < 0)
        return cli_fail(&e, w.json);
    if (!x)
        return detached_unknown(id, w.json);
    int rc = wait_for_end(&o, x, &result, &e);
    code = rc < 0 ? cli_fail(&e, w.json) : 128 + SIGINT;
    if (rc > 0)
        outcome_say(&o, "the run continues: light-runner attach %s", id);
    else if (rc == 0)
        code = outcome_print(&o, result);
    lrun_result_free(result);
    lrun_execution_free(x);
    return code;
}
