/* SPDX-License-Identifier: MIT */
/* How the programs of `light-runner setup` report failures. */
#ifndef INSTALL_REPORT_H
#define INSTALL_REPORT_H

#include "base/error.h"

#include <stdbool.h>

/* The exit code for our own failures, as in every verb. */
enum { REPORT_FAILED = 125 };

/* Prints `light-runner: CODE: message (hint)` on stderr and, with json, {"error": {...}} on
 * stdout. Returns REPORT_FAILED. */
int report_failure(const lrun_error *e, bool json);

/* Returns the exit code for main(): `code`, or that of a failure if the output
 * could not be written. */
int report_end(int code);

#endif
