/* SPDX-License-Identifier: MIT */
#include "json/check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPERATION "request.check"

/* How many bytes of a wrong value a message shows: enough to recognise it. */
#define SHOWN 80

static const char *type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a number with a fraction";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    case JSON_NULL:
        return "null";
    }
    return "something else";
}

int check_fail(lrun_error *err, const char *field, const char *format, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "%s%s%s", field, *field ? ": " : "",
                     text);
}

static int fail_type(lrun_error *err, const char *field, const char *wanted, const json_t *value)
{
    return check_fail(err, field, "must be %s, not %s", wanted, type_name(value));
}

static void list_names(char *out, size_t size, const struct check_field *table)
{
    size_t used = 0;
    for (const struct check_field *f = table; f->name && used < size; f++) {
        int n = snprintf(out + used, size - used, "%s%s", f == table ? "" : ", ", f->name);
        used += n > 0 ? (size_t)n : 0;
    }
}

int check_object(void *out, const char *field, const json_t *object,
                 const struct check_field *table, lrun_error *err)
{
    if (!json_is_object(object))
        return fail_type(err, *field ? field : "the document", "an object", object);
    const char *key;
    json_t *value;
    json_object_foreach ((json_t *)object, key, value) {
        char path[160];
        snprintf(path, sizeof(path), "%s%s%.*s", field, *field ? "." : "", SHOWN, key);
        const struct check_field *f = table;
        while (f->name && strcmp(f->name, key) != 0)
            f++;
        if (!f->name) {
            char names[400];
            list_names(names, sizeof(names), table);
            error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "unknown field '%s'", path);
            return error_hint(err, "known here: %s", names);
        }
        if (f->read(out, path, value, err) < 0)
            return -1;
    }
    return 0;
}

int check_string(const char **out, const char *field, const json_t *value, lrun_error *err)
{
    if (!json_is_string(value))
        return fail_type(err, field, "a string", value);
    /* JSON can carry a NUL (as \u0000); no use of these strings on the host can. */
    if (strlen(json_string_value(value)) != json_string_length(value))
        return check_fail(err, field, "contains a NUL character");
    *out = json_string_value(value);
    return 0;
}

int check_copy_string(char **out, const char *field, const json_t *value, lrun_error *err)
{
    const char *text;
    if (check_string(&text, field, value, err) < 0)
        return -1;
    *out = strdup(text);
    return *out ? 0 : error_oom(err, OPERATION);
}

int check_copy_name(char **out, const char *field, const json_t *value, size_t max, lrun_error *err)
{
    const char *text;
    if (check_string(&text, field, value, err) < 0)
        return -1;
    size_t length = strlen(text);
    if (length == 0)
        return check_fail(err, field, "must not be empty");
    if (length > max)
        return check_fail(err, field, "is %zu bytes long; at most %zu are allowed", length, max);
    *out = strdup(text);
    return *out ? 0 : error_oom(err, OPERATION);
}

int check_copy_strings(char ***out, const char *field, const json_t *value, size_t max_count,
                       lrun_error *err)
{
    if (!json_is_array(value))
        return fail_type(err, field, "a list of strings", value);
    size_t count = json_array_size(value);
    if (count > max_count)
        return check_fail(err, field, "has %zu entries; at most %zu are allowed", count, max_count);
    if (count == 0)
        return 0;
    *out = calloc(count + 1, sizeof(**out));
    if (!*out)
        return error_oom(err, OPERATION);
    for (size_t i = 0; i < count; i++) {
        char path[160];
        snprintf(path, sizeof(path), "%s[%zu]", field, i);
        if (check_copy_string(&(*out)[i], path, json_array_get(value, i), err) < 0)
            return -1;
    }
    return 0;
}

void check_free_strings(char **strings)
{
    if (!strings)
        return;
    for (char **s = strings; *s; s++)
        free(*s);
    free(strings);
}

int check_bool(bool *out, const char *field, const json_t *value, lrun_error *err)
{
    if (!json_is_boolean(value))
        return fail_type(err, field, "true or false", value);
    *out = json_is_true(value);
    return 0;
}

bool check_integer(json_int_t *out, const json_t *value)
{
    double real = json_real_value(value);
    if (json_is_integer(value)) {
        *out = json_integer_value(value);
        return true;
    }
    /* The range of json_int_t: from -2^63 to 2^63 - 1. */
    if (!json_is_real(value) || !(real >= -0x1p63 && real < 0x1p63) ||
        (double)(json_int_t)real != real)
        return false;
    *out = (json_int_t)real;
    return true;
}

int check_positive(uint64_t *out, const char *field, const json_t *value, uint64_t max,
                   lrun_error *err)
{
    json_int_t n;
    if (!check_integer(&n, value))
        return fail_type(err, field, "an integer above 0", value);
    if (n <= 0 || (uint64_t)n > max)
        return check_fail(err, field, "is %" JSON_INTEGER_FORMAT "; it must be from 1 to %" PRIu64,
                          n, max);
    *out = (uint64_t)n;
    return 0;
}

int check_choice(char **out, const char *field, const json_t *value, const char *const *choices,
                 lrun_error *err)
{
    const char *text;
    if (check_string(&text, field, value, err) < 0)
        return -1;
    char all[200] = "";
    for (const char *const *c = choices; *c; c++) {
        if (strcmp(*c, text) == 0) {
            *out = strdup(text);
            return *out ? 0 : error_oom(err, OPERATION);
        }
        size_t used = strlen(all);
        snprintf(all + used, sizeof(all) - used, "%s%s", used ? ", " : "", *c);
    }
    return check_fail(err, field, "'%.*s' is not one of: %s", SHOWN, text, all);
}
