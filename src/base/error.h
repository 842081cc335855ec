/* SPDX-License-Identifier: MIT */
/*
 * Filling an lrun_error. Every function accepts a NULL err and returns -1, so that a failure is one
 * statement: `return error_set(err, LRUN_..., "image.resolve", "no image named '%s'", name);`
 * Layers add what they know on the way up; the error is printed once, at the edge.
 * Messages and hints quote text from images, sandboxes and daemons, so they are made printable here
 * (text_make_printable()), whatever they contain.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "lightrunner.h"

/* Sets code, operation and message. Clears everything else, including the container. */
int error_set(lrun_error *err, lrun_code code, const char *operation, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Like error_set(), and appends ": " and the text of errnum to the message. */
int error_errno(lrun_error *err, lrun_code code, const char *operation, int errnum,
                const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Puts "context: " before the message. */
int error_context(lrun_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Sets the hint: what the reader can do about the error. */
int error_hint(lrun_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

int error_oom(lrun_error *err, const char *operation);

/* Returns the lrun_code for a name as printed by lrun_code_name(); LRUN_INTERNAL if it is
 * unknown. */
lrun_code error_code_from_name(const char *name);

#endif
