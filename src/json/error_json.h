/* SPDX-License-Identifier: MIT */
/* An error as a JSON object: {"code", "message", "operation", "container", "hint"}. */
#ifndef JSON_ERROR_JSON_H
#define JSON_ERROR_JSON_H

#include "base/error.h"

#include <jansson.h>

/* Members without a value are left out. New reference; NULL when memory is out. */
json_t *error_to_json(const lrun_error *e);

/* Text that is not such an object becomes SUPERVISOR_LOST. */
void error_from_json(lrun_error *out, const char *json, size_t length);

#endif
