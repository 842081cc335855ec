/* SPDX-License-Identifier: MIT */
/*
 * Turns an lrun_request into its JSON document. The text of the input is left out, because it goes
 * to stdin unchanged.
 */
#ifndef LIB_DOCUMENT_H
#define LIB_DOCUMENT_H

#include "lightrunner.h"

#include <jansson.h>

/* *out is a new reference. Errors: INVALID_ARGUMENT for values that JSON cannot carry,
 * OUT_OF_MEMORY. */
int document_from_request(json_t **out, const lrun_request *request, lrun_error *err);

/* Adds the options of a runner that the document does not set itself. `options` is only read. */
int document_add_options(json_t *document, const json_t *options, lrun_error *err);

#endif
