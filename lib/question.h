/* SPDX-License-Identifier: MIT */
/*
 * Questions that belong to no run. All heavy code is in the supervisor's program: for each
 * question, we start one, and it answers and exits.
 */
#ifndef LIB_QUESTION_H
#define LIB_QUESTION_H

#include "lightrunner.h"

#include <jansson.h>

/* For questions that set no time of their own. A daemon may have many volumes to remove. */
enum { QUESTION_TIMEOUT_MS = 10 * 60000 };

/* Extra arguments for a question that can take long. */
struct question_work {
    const lrun_callbacks *callbacks; /* on_progress, user and cancel_fd */
    int input_fd;                    /* the input of the question, or -1 */
    int64_t timeout_ms;
};

/*
 * Asks about the runner's engine and tier. Takes the question's reference; NULL means that memory
 * was out. *answer is a new reference. `work` may be NULL.
 */
int question_ask(json_t **answer, const lrun_runner *runner, json_t *question,
                 const struct question_work *work, lrun_error *err);

/* Takes the error of an answer of which a part failed. Returns 0 if there is none, else -1. */
int question_error(const json_t *answer, lrun_error *err);

#endif
