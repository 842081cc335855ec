/* SPDX-License-Identifier: MIT */
/*
 * Reads typed values from JSON documents that come from outside. A message always begins with the
 * field's name and says what was expected.
 */
#ifndef JSON_CHECK_H
#define JSON_CHECK_H

#include "base/error.h"

#include <jansson.h>

/* One member of an object, and the function that reads it into `out`. A NULL name ends a table. */
struct check_field {
    const char *name;
    int (*read)(void *out, const char *field, const json_t *value, lrun_error *err);
};

/*
 * Reads every member of an object by the table, in the object's order. `field` is the object's own
 * name for messages ("" for the document itself). A member that is not in the table is an error.
 */
int check_object(void *out, const char *field, const json_t *object,
                 const struct check_field *table, lrun_error *err);

/* INVALID_ARGUMENT: "field: text". */
int check_fail(lrun_error *err, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A string without NUL bytes. Borrowed from the document. */
int check_string(const char **out, const char *field, const json_t *value, lrun_error *err);

/* Like check_string(), but copies the string. *out must be NULL before the call. */
int check_copy_string(char **out, const char *field, const json_t *value, lrun_error *err);

/* Copies a string that is not empty and has at most `max` bytes. */
int check_copy_name(char **out, const char *field, const json_t *value, size_t max,
                    lrun_error *err);

/* Copies a list of strings to a NULL-terminated array; NULL for an empty list. */
int check_copy_strings(char ***out, const char *field, const json_t *value, size_t max_count,
                       lrun_error *err);
void check_free_strings(char **strings);

int check_bool(bool *out, const char *field, const json_t *value, lrun_error *err);

/* Returns whether the value is an integer. As in JSON Schema, 2.0 is an integer too. */
bool check_integer(json_int_t *out, const json_t *value);

/* An integer of at least 1 and at most `max`. */
int check_positive(uint64_t *out, const char *field, const json_t *value, uint64_t max,
                   lrun_error *err);

/* Copies a string that must be one of `choices`, which ends with NULL. */
int check_choice(char **out, const char *field, const json_t *value, const char *const *choices,
                 lrun_error *err);

#endif
