/* SPDX-License-Identifier: MIT */
/*
 * The question {"ask": "doctor", "full": false} (run/housekeeping.h). Doctor is a verb of the executable, as it runs trial
 * programs through the library like any other caller. So the executable is started, and its report is the answer.
 */
#ifndef RUN_DOCTOR_H
#define RUN_DOCTOR_H

#include "base/error.h"
#include "run/watch.h"

#include <jansson.h>

/* *answer is a new reference: what `light-runner doctor --json` prints. Errors: NOT_SUPPORTED (the executable is not
 * installed), IO_FAILED, and its own. */
int doctor_answer(json_t **answer, const json_t *question, struct watch *watch, lrun_error *err);

#endif
