/* SPDX-License-Identifier: MIT */
/*
 * Converts the result to a JSON document (docs/result.schema.json), and back.
 */
#ifndef WIRE_RESULT_H
#define WIRE_RESULT_H

#include "base/error.h"

#include <jansson.h>

/*
 * A result that is being made: the members of lrun_result in one struct. Lists of names are texts
 * with commas; NULL or "" is an empty list. The strings are borrowed.
 */
struct run_result {
    bool success, cancelled, timed_out, cpu_timed_out, oom_killed, log_truncated;
    int exit_code, signal;
    uint64_t duration_ms, timeout_ms;
    const char *id;
    const char *session; /* NULL: it is the result of a run, or of a session as a whole */
    bool session_ended;  /* the session has ended with it */
    const lrun_extracted *extracted; /* NULL: there was no extraction */
    size_t extracted_count;
    const char *left_behind;
    lrun_usage usage;
    struct {
        const char *runtime, *kernel, *host_kernel, *accelerator;
        bool verified;
        const char *checked, *unenforced;
        lrun_setup setup; /* runtime is NULL: there were no steps */
    } isolation;
    lrun_timings timings;
};

/* Returns the document of a result, as the CLI prints it. New reference; NULL when memory is
 * out. */
json_t *result_to_json(const struct run_result *r);

/* Makes an lrun_result from a RESULT frame; free it with lrun_result_free(). Trusts no field: a
 * missing or mistyped field is LRUN_SUPERVISOR_LOST. */
int result_from_json(lrun_result **out, const char *json, size_t length, lrun_error *err);

#endif
