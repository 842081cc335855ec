/* SPDX-License-Identifier: MIT */
#ifndef CLI_CLI_RUNNER_H
#define CLI_CLI_RUNNER_H

#include "lightrunner.h"

/* A runner that finds the supervisor also where nothing is installed. engine, tier: NULL for the default. */
int cli_runner(lrun_runner **out, const char *engine, const char *tier, lrun_error *err);

#endif
