/* SPDX-License-Identifier: MIT */
#ifndef CLI_CLI_RUNNER_H
#define CLI_CLI_RUNNER_H

#include "lightrunner.h"

/* Creates a runner that finds the supervisor even if nothing is installed. engine and tier may be
 * NULL for the default. */
int cli_runner(lrun_runner **out, const char *engine, const char *tier, lrun_error *err);

#endif
