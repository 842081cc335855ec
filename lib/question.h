/* SPDX-License-Identifier: MIT */
/*
 * Questions outside of any run. Everything heavy is in the supervisor's program: one is started for the question,
 * answers, and ends.
 */
#ifndef LIB_QUESTION_H
#define LIB_QUESTION_H

#include "lightrunner.h"

#include <jansson.h>

/* What goes beside a question that can take long. */
struct question_work {
    const lrun_callbacks *callbacks; /* on_progress, user and cancel_fd */
    int input_fd;                    /* what it reads, or -1 */
    int64_t timeout_ms;
};

/*
 * Asks the runner's engine, and tier. Takes the question's reference, which may be NULL (out of memory). *answer is a
 * new reference. `work` may be NULL.
 */
int question_ask(json_t **answer, const lrun_runner *runner, json_t *question,
                 const struct question_work *work, lrun_error *err);

#endif
