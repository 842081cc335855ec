/* SPDX-License-Identifier: MIT */
/*
 * Shared by `run` and `attach`: forwards the program's output, and reports how a run ended.
 */
#ifndef CLI_OUTCOME_H
#define CLI_OUTCOME_H

#include "progress.h"
#include "relay.h"
#include "terminal.h"

#include "lightrunner.h"

struct outcome {
    struct progress progress;
    struct relay out, err;
    bool json;                 /* only the result goes to stdout */
    struct terminal *terminal; /* NULL: the command has none, or it is not ours */
    int stop_fd; /* readable after a signal, or once nobody reads our stdout any more */
};

/* Catches SIGINT, SIGTERM and SIGHUP; they make stop_fd readable. Errors: IO_FAILED. */
int outcome_init(struct outcome *o, bool json, lrun_error *err);

/* An lrun_output_fn whose user is the outcome. */
void outcome_output(void *user, lrun_stream stream, const char *data, size_t length);

/* Returns the callbacks of a command whose output and progress are the outcome's, and which the
 * outcome's stop_fd cancels. */
lrun_callbacks outcome_callbacks(struct outcome *o, int input_fd);

/* Waits for the command's end. */
int outcome_wait(struct outcome *o, lrun_execution *x, lrun_result **result, lrun_error *err);

/* Prints a line of our own on stderr. It begins at the start of a line, whatever the program has
 * printed. */
void outcome_say(struct outcome *o, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints the result (--json), or the facts that the program's exit code does not convey. Returns
 * our exit code. */
int outcome_print(struct outcome *o, const lrun_result *r);

/* Reports where the time went. */
void outcome_timing(struct outcome *o, const lrun_result *r);

#endif
