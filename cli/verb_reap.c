/* SPDX-License-Identifier: MIT */
#include "verbs.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "engine/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is younger may belong to a run that is just being made. */
#define DEFAULT_AGE_MS (5 * 60000)

static int print_help(void)
{
    puts("usage: light-runner reap [--json]\n\n"
         "Removes what runs have left behind whose supervisor was killed, and imports that were\n"
         "killed, and marks the states of such runs as failed. Touches nothing that is in use; may "
         "be run at any time, for example by a timer.\n"
         "What is younger than $LIGHT_RUNNER_REAP_AGE_MS (default: 300000, 5 minutes) is left.");
    return 0;
}

int verb_reap(int argc, char **argv)
{
    bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
        return print_help();
    if (argc > (json ? 2 : 1))
        return cli_usage("reap", json, "unknown argument '%s'", argv[json ? 2 : 1]);

    uint64_t age_ms = DEFAULT_AGE_MS;
    const char *age = secure_getenv("LIGHT_RUNNER_REAP_AGE_MS");
    if (age && *age && (!text_parse_u64(age, &age_ms) || age_ms > INT64_MAX / 2))
        return cli_usage("reap", json, "LIGHT_RUNNER_REAP_AGE_MS: '%s' is not a number", age);

    struct engine_reaped reaped = {0};
    const struct engine *docker;
    unsigned states = 0;
    lr_error e = {0};
    if (lr_reap_states(&states, &e) < 0 || engine_local.reap((int64_t)age_ms, &reaped, &e) < 0 ||
        engine_find_docker(&docker, &e) < 0 ||
        (docker && docker->reap((int64_t)age_ms, &reaped, &e) < 0))
        return cli_fail(&e, json);
    printf(json ? "{\"containers\":%u,\"volumes\":%u,\"states\":%u}\n"
                : "containers: %u, volumes: %u, states: %u\n",
           reaped.containers, reaped.volumes, states);
    return 0;
}
