/* SPDX-License-Identifier: MIT */
#include "wire/fields.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool fields_add(struct buffer *out, const char *key, const char *value)
{
    size_t key_length = strlen(key), value_length = strlen(value);
    char *to = buffer_reserve(out, key_length + value_length + 2);
    if (!to)
        return false;
    memcpy(to, key, key_length);
    to[key_length] = '=';
    memcpy(to + key_length + 1, value, value_length + 1);
    buffer_commit(out, key_length + value_length + 2);
    return true;
}

bool fields_add_u64(struct buffer *out, const char *key, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRIu64, value);
    return fields_add(out, key, text);
}

bool fields_next(const struct frame *f, const char **at, const char **key, size_t *key_length,
                 const char **value)
{
    const char *end = f->payload + f->length;
    const char *from = *at ? *at : f->payload;
    if (from >= end)
        return false;
    const char *close = memchr(from, '\0', (size_t)(end - from));
    if (!close)
        return false;
    const char *equals = memchr(from, '=', (size_t)(close - from));
    if (!equals)
        return false;
    *key = from;
    *key_length = (size_t)(equals - from);
    *value = equals + 1;
    *at = close + 1;
    return true;
}

bool fields_valid(const struct frame *f)
{
    const char *at = NULL, *key, *value;
    size_t key_length;
    while (fields_next(f, &at, &key, &key_length, &value))
        continue;
    return f->length == 0 || at == f->payload + f->length;
}

const char *fields_get(const struct frame *f, const char *wanted)
{
    const char *at = NULL, *key, *value;
    size_t key_length, wanted_length = strlen(wanted);
    while (fields_next(f, &at, &key, &key_length, &value))
        if (key_length == wanted_length && memcmp(key, wanted, key_length) == 0)
            return value;
    return NULL;
}

bool fields_get_u64(const struct frame *f, const char *key, uint64_t *out)
{
    const char *value = fields_get(f, key);
    return value && text_parse_u64(value, out);
}

bool fields_add_time(struct buffer *out, struct timespec modified)
{
    bool known = modified.tv_sec > 0;
    return fields_add_u64(out, "mtime", known ? (uint64_t)modified.tv_sec : 0) &&
           fields_add_u64(out, "mtime_ns", known ? (uint64_t)modified.tv_nsec : 0);
}

bool fields_get_time(const struct frame *f, struct timespec *out)
{
    uint64_t seconds, nanoseconds = 0;
    if (!fields_get_u64(f, "mtime", &seconds) || seconds > INT64_MAX ||
        (fields_get(f, "mtime_ns") && !fields_get_u64(f, "mtime_ns", &nanoseconds)) ||
        nanoseconds > 999999999)
        return false;
    *out = (struct timespec){.tv_sec = (time_t)seconds, .tv_nsec = (long)nanoseconds};
    return true;
}
