/* SPDX-License-Identifier: MIT */
#include "cli_runner.h"
#include "verbs.h"

struct words {
    bool json, help;
    const char *engine;
};

static const struct flag flags[] = {
    FLAG_STRING("engine", struct words, engine, "auto|local|docker",
                "only this engine; default: the local one, and Docker if\n"
                "it is used here (found as runs find it)",
                .choices = CLI_ENGINES),
    FLAG_JSON(struct words, "print a JSON object"),
    FLAG_HELP(struct words),
    FLAG_END,
};

const struct command reap_command = {
    .name = "reap",
    .usage = "[--engine auto|local|docker] [--json]",
    .about =
        "Removes the remains of runs whose supervisor was killed and of imports that were killed,\n"
        "and marks the states of such runs as failed. Touches nothing in use; may run at any "
        "time,\n"
        "for example from a timer. Leaves alone what is younger than\n"
        "$LIGHT_RUNNER_REAP_AGE_MS (default: 300000, 5 minutes).",
    .flags = flags,
    .no_words = true,
};

int verb_reap(int argc, char **argv)
{
    struct words w = {0};
    int code;
    if (!cli_parse(&reap_command, &w, &argc, argv, &code))
        return code;

    lrun_runner *runner;
    lrun_reaped reaped = LRUN_REAPED_INIT;
    lrun_error e = {0};
    if (cli_runner(&runner, w.engine, NULL, &e) < 0)
        return cli_fail(&e, w.json);
    int rc = lrun_reap(runner, -1, &reaped, &e);
    lrun_runner_free(runner);
    const struct count counts[] = {{"containers", reaped.containers},
                                   {"volumes", reaped.volumes},
                                   {"states", reaped.states},
                                   {0}};
    return cli_counts(counts, rc < 0 ? &e : NULL, w.json);
}
