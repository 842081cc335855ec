/* SPDX-License-Identifier: MIT */
/*
 * The question {"ask": "doctor", "full": false} (run/housekeeping.h). A program of its own does the work
 * (src/doctor/), because it runs trial programs through the library like any other caller. The
 * supervisor starts it and answers with its report.
 */
#ifndef RUN_DOCTOR_H
#define RUN_DOCTOR_H

#include "base/error.h"
#include "run/watch.h"

#include <jansson.h>

/* *answer is a new reference. Errors: IO_FAILED (the program is not installed or fails, or it was
 * cancelled). */
int doctor_answer(json_t **answer, const json_t *question, struct watch *watch, lrun_error *err);

#endif
