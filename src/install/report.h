/* SPDX-License-Identifier: MIT */
/* How the programs of `light-runner setup` say that they could not. */
#ifndef INSTALL_REPORT_H
#define INSTALL_REPORT_H

#include "base/error.h"

#include <stdbool.h>

/* The exit code of our own failures, as of every verb. */
enum { REPORT_FAILED = 125 };

/* Prints `light-runner: CODE: message (hint)` on stderr, with json also {"error": {...}} on stdout. REPORT_FAILED. */
int report_failure(const lrun_error *e, bool json);

/* What main() returns: the code, or that of a failure where what was printed is lost. */
int report_end(int code);

#endif
