/* SPDX-License-Identifier: MIT */
#include "cli_runner.h"

#include "base/cleanup.h"
#include "base/libexec.h"

#include <stdlib.h>

int cli_runner(lrun_runner **out, const char *engine, const char *tier, lrun_error *err)
{
    /* The library reads LIGHT_RUNNER_SUPERVISOR itself. We only look for the program beside this
     * one. */
    const char *chosen = secure_getenv("LIGHT_RUNNER_SUPERVISOR");
    cleanup_free char *supervisor = NULL;
    if (!chosen || !*chosen) {
        supervisor = libexec_find("light-runner-supervisor", err);
        if (!supervisor)
            return -1;
    }
    lrun_runner_options options = LRUN_RUNNER_OPTIONS_INIT;
    options.supervisor = supervisor;
    options.engine = engine;
    options.runtime = tier;
    return lrun_runner_new(out, &options, err);
}
