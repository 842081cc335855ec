/* SPDX-License-Identifier: MIT */
/*
 * Filling an lrun_error. Every function accepts a NULL err and returns -1, so that a failure is one
 * statement: `return error_set(err, LRUN_..., "image.resolve", "no image named '%s'", name);`
 * Layers add what they know on the way up; the error is printed once, at the edge.
 * Messages and hints quote names and words of images, sandboxes and daemons. They are made printable here
 * (text_make_printable()), whatever they are made of.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "lightrunner.h"

/* Sets code, operation and message; clears everything else, also the container. */
int error_set(lrun_error *err, lrun_code code, const char *operation, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The same, with ": " and the text of errnum behind the message. */
int error_errno(lrun_error *err, lrun_code code, const char *operation, int errnum,
                const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Puts "context: " before the message. */
int error_context(lrun_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Says what to do about it. */
int error_hint(lrun_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

int error_oom(lrun_error *err, const char *operation);

/* lrun_code for a name as printed by lrun_code_name(); LRUN_INTERNAL for an unknown one. */
lrun_code error_code_from_name(const char *name);

#endif
