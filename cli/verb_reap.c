/* SPDX-License-Identifier: MIT */
#include "verbs.h"

#include "base/error.h"
#include "base/text.h"
#include "engine/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Reaps on the engine that the user names; otherwise on the local engine, and on Docker if it is
 * used here. */
static int reap(const char *name, int64_t age_ms, struct engine_reaped *out, lrun_error *err)
{
    const struct engine *engine = &engine_local;
    if (strcmp(name, "auto") != 0)
        return engine_find(&engine, name, err) < 0 ? -1 : engine->reap(age_ms, out, err);
    if (engine->reap(age_ms, out, err) < 0 || engine_find_docker(&engine, err) < 0)
        return -1;
    return engine ? engine->reap(age_ms, out, err) : 0;
}

int verb_reap(int argc, char **argv)
{
    struct words w = {.engine = "auto"};
    int code;
    if (!cli_parse(&reap_command, &w, &argc, argv, &code))
        return code;

    uint64_t age_ms = LRUN_REAP_AGE_MS;
    const char *age = secure_getenv("LIGHT_RUNNER_REAP_AGE_MS");
    if (age && *age && (!text_parse_u64(age, &age_ms) || age_ms > INT64_MAX / 2))
        return cli_usage("reap", w.json, "LIGHT_RUNNER_REAP_AGE_MS: '%s' is not a number", age);

    struct engine_reaped reaped = {0};
    unsigned states = 0;
    lrun_error e = {0};
    if (lrun_reap_states(&states, &e) < 0 || reap(w.engine, (int64_t)age_ms, &reaped, &e) < 0)
        return cli_fail(&e, w.json);
    printf(w.json ? "{\"containers\":%u,\"volumes\":%u,\"states\":%u}\n"
                  : "containers: %u, volumes: %u, states: %u\n",
           reaped.containers, reaped.volumes, states);
    return 0;
}
