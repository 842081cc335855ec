/* SPDX-License-Identifier: MIT */
/* The verbs stop, cancel, pause and resume, which control a detached run. */
#include "detached.h"
#include "verbs.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"

#include <signal.h>
#include <string.h>

struct words {
    bool json, help, no_wait;
    int signal;
    int64_t grace_ms; /* -1: the default */
};

/* -------------------------------------------------------------- the command lines */

static int read_signal(void *into, const struct flag *flag, const char *value, lrun_error *err)
{
    (void)flag;
    (void)err;
    struct words *w = into;
    uint64_t number;
    if (text_parse_u64(value, &number) && number >= 1 && number < NSIG) {
        w->signal = (int)number;
        return 0;
    }
    const char *name = strncmp(value, "SIG", 3) == 0 ? value + 3 : value;
    for (int i = 1; i < NSIG; i++) {
        const char *known = sigabbrev_np(i);
        if (known && strcmp(known, name) == 0) {
            w->signal = i;
            return 0;
        }
    }
    return FLAG_BAD_VALUE;
}

static int read_grace(void *into, const struct flag *flag, const char *value, lrun_error *err)
{
    (void)flag;
    (void)err;
    struct words *w = into;
    uint64_t ms;
    if (!text_parse_duration_ms(value, &ms) || ms > INT32_MAX)
        return FLAG_BAD_VALUE;
    w->grace_ms = (int64_t)ms;
    return 0;
}

#define NO_WAIT                                                                                    \
    FLAG_SWITCH("no-wait", struct words, no_wait, "return at once, before the run has ended")

static const struct flag stop_flags[] = {
    FLAG_CALL("signal", read_signal, "signal that the command gets first (default TERM)",
              .value = "NAME", .choices = "TERM INT HUP QUIT USR1 USR2 KILL"),
    FLAG_CALL("grace", read_grace, "time until SIGKILL (default 10s)", .value = "TIME"),
    NO_WAIT,
    FLAG_JSON(struct words, "print JSON"),
    FLAG_HELP(struct words),
    FLAG_END,
};

static const struct flag cancel_flags[] = {
    NO_WAIT,
    FLAG_JSON(struct words, "print JSON"),
    FLAG_HELP(struct words),
    FLAG_END,
};

static const struct flag other_flags[] = {
    FLAG_JSON(struct words, "print JSON"),
    FLAG_HELP(struct words),
    FLAG_END,
};

const struct command stop_command = {
    .name = "stop",
    .usage = "[flags] ID",
    .about = "Sends a signal to the command of a detached run, kills the run after the grace, and "
             "waits\n"
             "for its end.",
    .flags = stop_flags,
    .notes = DETACHED_NOTES,
    .words = COMPLETE_RUNS,
};

const struct command cancel_command = {
    .name = "cancel",
    .usage = "[flags] ID",
    .about = "Kills a detached run, and waits for its end.",
    .flags = cancel_flags,
    .notes = DETACHED_NOTES,
    .words = COMPLETE_RUNS,
};

const struct command pause_command = {
    .name = "pause",
    .usage = "[flags] ID",
    .about = "Freezes a detached run. Its memory is kept, and its timeout continues.",
    .flags = other_flags,
    .notes = DETACHED_NOTES,
    .words = COMPLETE_RUNS,
};

const struct command resume_command = {
    .name = "resume",
    .usage = "[flags] ID",
    .about = "Thaws a detached run.",
    .flags = other_flags,
    .notes = DETACHED_NOTES,
    .words = COMPLETE_RUNS,
};

/* -------------------------------------------------------------- the actions */

static int stop(const struct words *w, lrun_execution *x, lrun_error *err)
{
    return lrun_execution_stop(x, w->signal, w->grace_ms, err);
}

static int cancel(const struct words *w, lrun_execution *x, lrun_error *err)
{
    (void)w;
    return lrun_execution_stop(x, SIGKILL, 0, err);
}

static int pause_run(const struct words *w, lrun_execution *x, lrun_error *err)
{
    (void)w;
    return lrun_execution_pause(x, err);
}

static int resume(const struct words *w, lrun_execution *x, lrun_error *err)
{
    (void)w;
    return lrun_execution_resume(x, err);
}

static const struct action {
    const struct command *command;
    int (*act)(const struct words *w, lrun_execution *x, lrun_error *err);
    bool ends; /* the run ends, so the verb waits for that */
} actions[] = {
    {&stop_command, stop, true},
    {&cancel_command, cancel, true},
    {&pause_command, pause_run, false},
    {&resume_command, resume, false},
};

static const struct action *find_action(const char *verb)
{
    size_t i = 0;
    while (strcmp(actions[i].command->name, verb) != 0)
        i++;
    return &actions[i];
}

/* -------------------------------------------------------------- the end of the run */

static bool has_ended(const char *id)
{
    cleanup_free char *text = NULL;
    lrun_states(id, &text, NULL);
    json_t *state = text ? json_loads(text, 0, NULL) : NULL;
    const char *status = json_string_value(json_object_get(state, "status"));
    bool ended = status && strcmp(status, "running") != 0;
    json_decref(state);
    return ended;
}

/* A run that ended with an error of its own has still ended: that is not a failure of the verb. */
static int await_end(const char *id, lrun_execution *x, lrun_error *err)
{
    lrun_result *result = NULL;
    int rc = lrun_execution_wait(x, &result, err);
    lrun_result_free(result);
    if (rc == 0)
        return 0;
    if (!has_ended(id))
        return -1;
    if (err->code == LRUN_SUPERVISOR_LOST)
        cli_line(stderr,
                 "light-runner: the run '%s' had ended: its supervisor was killed, and it is "
                 "marked as failed",
                 id);
    return 0;
}

int verb_control(int argc, char **argv)
{
    const struct action *action = find_action(argv[0]);
    struct words w = {.grace_ms = -1};
    lrun_error e = {0};
    int code;
    if (!cli_parse(action->command, &w, &argc, argv, &code))
        return code;
    if (argc != 2)
        return cli_usage(argv[0], w.json, "it takes one ID");
    const char *id = argv[1];
    lrun_execution *x = NULL;
    if (lrun_attach(id, NULL, &x, &e) < 0)
        return cli_fail(&e, w.json);
    if (!x)
        return detached_unknown(id, w.json);
    int rc = action->act(&w, x, &e);
    bool ended = false;
    lrun_execution_dispatch(x, &ended, NULL);
    if (rc == 0 && action->ends && (ended || !w.no_wait))
        rc = await_end(id, x, &e);
    lrun_execution_free(x);
    if (rc < 0)
        return cli_fail(&e, w.json);
    printf(w.json ? "{\"id\":\"%s\"}\n" : "%s\n", id);
    return fflush(stdout) == 0 ? 0 : CLI_FAILED;
}
