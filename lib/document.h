/* SPDX-License-Identifier: MIT */
/*
 * An lrun_request as the JSON document that it stands for. The text of the input is left out: it goes to
 * stdin letter by letter.
 */
#ifndef LIB_DOCUMENT_H
#define LIB_DOCUMENT_H

#include "lightrunner.h"

#include <jansson.h>

/* New reference. Errors: INVALID_ARGUMENT for what JSON cannot carry, OUT_OF_MEMORY. */
int document_from_request(json_t **out, const lrun_request *request, lrun_error *err);

/* Lays the options of a runner beneath those of the document. `options` is only read. */
int document_add_options(json_t *document, const json_t *options, lrun_error *err);

#endif
