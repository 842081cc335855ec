/* SPDX-License-Identifier: MIT */
/*
 * The text of a request (docs/request.schema.json), for callers that change the document before it is
 * checked (wire/request.h).
 */
#ifndef JSON_REQUEST_TEXT_H
#define JSON_REQUEST_TEXT_H

#include "base/error.h"

#include <jansson.h>

/*
 * Reads the JSON text and checks nothing else. In such a document `input` is a string: the JSON text
 * of the value. That text is passed on letter by letter, with numbers of any size, the order of
 * members, and escapes. New reference.
 */
int request_text_load(json_t **out, const char *json, size_t length, lrun_error *err);

/* Checks the JSON text of `input` and makes its value for a document. Errors call it `field`. New
 * reference. */
int request_text_input(json_t **out, const char *field, const char *text, size_t length,
                       lrun_error *err);

/* Returns the JSON text of such a document. malloc'd; NULL when memory is out. */
char *request_text_dump(const json_t *document);

#endif
