/* SPDX-License-Identifier: MIT */
#include "verbs.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "engine/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int print_help(void)
{
    puts("usage: light-runner reap [--engine auto|local|docker] [--json]\n\n"
         "Removes what runs have left behind whose supervisor was killed, and imports that were\n"
         "killed, and marks the states of such runs as failed. Touches nothing that is in use; may "
         "be run at any time, for example by a timer.\n"
         "What is younger than $LIGHT_RUNNER_REAP_AGE_MS (default: 300000, 5 minutes) is left.\n\n"
         "  --engine auto|local|docker  of that engine alone; default: the local one, and Docker "
         "if\n"
         "                              it is used here (found as runs find it)\n"
         "  --json                      print a JSON object");
    return 0;
}

/* One that is named; else the local one, and Docker where it is used. */
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
    const char *engine = "auto";
    bool json = false;
    for (int i = 1; i < argc; i++)
        json = json || strcmp(argv[i], "--json") == 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return print_help();
        if (strcmp(argv[i], "--engine") == 0 && i + 1 < argc)
            engine = argv[++i];
        else if (strncmp(argv[i], "--engine=", 9) == 0)
            engine = argv[i] + 9;
        else if (strcmp(argv[i], "--json") != 0)
            return cli_usage("reap", json, "unknown argument '%s'", argv[i]);
    }

    uint64_t age_ms = LRUN_REAP_AGE_MS;
    const char *age = secure_getenv("LIGHT_RUNNER_REAP_AGE_MS");
    if (age && *age && (!text_parse_u64(age, &age_ms) || age_ms > INT64_MAX / 2))
        return cli_usage("reap", json, "LIGHT_RUNNER_REAP_AGE_MS: '%s' is not a number", age);

    struct engine_reaped reaped = {0};
    unsigned states = 0;
    lrun_error e = {0};
    if (lrun_reap_states(&states, &e) < 0 || reap(engine, (int64_t)age_ms, &reaped, &e) < 0)
        return cli_fail(&e, json);
    printf(json ? "{\"containers\":%u,\"volumes\":%u,\"states\":%u}\n"
                : "containers: %u, volumes: %u, states: %u\n",
           reaped.containers, reaped.volumes, states);
    return 0;
}
