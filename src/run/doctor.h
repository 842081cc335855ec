/* SPDX-License-Identifier: MIT */
/*
 * The question {"ask": "doctor", "full": false} (run/housekeeping.h). Doctor is a verb of the
 * executable, because it runs trial programs through the library like any other caller. So the
 * supervisor starts the executable and answers with its report.
 */
#ifndef RUN_DOCTOR_H
#define RUN_DOCTOR_H

#include "base/error.h"
#include "run/watch.h"

#include <jansson.h>

/* *answer is a new reference to the output of `light-runner doctor --json`. Errors: NOT_SUPPORTED
 * (the executable is not installed), IO_FAILED, and the errors that doctor itself reports. */
int doctor_answer(json_t **answer, const json_t *question, struct watch *watch, lrun_error *err);

#endif
