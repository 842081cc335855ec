/* SPDX-License-Identifier: MIT */
/*
 * The result and the error as JSON documents (docs/result.schema.json), and back.
 */
#ifndef WIRE_RESULT_H
#define WIRE_RESULT_H

#include "base/error.h"

#include <jansson.h>

/* The document of a result, as the CLI prints it. New reference; NULL when memory is out. */
json_t *result_to_json(const lrun_result *r);

/* Makes an lrun_result (free it with lrun_result_free()) of a RESULT frame. Takes nothing on trust: a
 * missing or mistyped field is LRUN_SUPERVISOR_LOST. */
int result_from_json(lrun_result **out, const char *json, size_t length, lrun_error *err);

/* {"code", "message", "operation", "container", "hint"}; absent where unknown. */
json_t *error_to_json(const lrun_error *e);
void error_from_json(lrun_error *out, const char *json, size_t length);

#endif
