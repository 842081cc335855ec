/* SPDX-License-Identifier: MIT */
/*
 * The payload of small frames between supervisor and agent: a row of "key=value" strings, each
 * ended by a NUL. Keys may repeat (arg, env). Values hold any byte but NUL; numbers are decimal
 * text. The agent links no library, so these fields replace JSON there.
 */
#ifndef WIRE_FIELDS_H
#define WIRE_FIELDS_H

#include "wire/frame.h"

#include <time.h>

/* Appends one field to a payload that is being built. */
bool fields_add(struct buffer *out, const char *key, const char *value);
bool fields_add_u64(struct buffer *out, const char *key, uint64_t value);

/* The modification time of an ENTRY: `mtime` in seconds, and `mtime_ns`, which may be missing. A
 * time before 1970 becomes 1970. */
bool fields_add_time(struct buffer *out, struct timespec modified);
bool fields_get_time(const struct frame *f, struct timespec *out);

/*
 * Callers check a payload with fields_valid() first. fields_next() then visits its fields: start
 * with *at = NULL. It returns false at the end, or at the first bytes that are not a field (a
 * missing NUL or '='); fields_valid() fails for such a payload.
 */
bool fields_valid(const struct frame *f);
bool fields_next(const struct frame *f, const char **at, const char **key, size_t *key_length,
                 const char **value);

/* Returns the value of the first field with that name, or NULL. Borrowed. */
const char *fields_get(const struct frame *f, const char *key);

/* The same as a number; false if the field is missing or is not a number. */
bool fields_get_u64(const struct frame *f, const char *key, uint64_t *out);

#endif
