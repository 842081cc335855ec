/* SPDX-License-Identifier: MIT */
/*
 * The payload of small frames on the agent's hop: a row of "key=value" strings, each closed by a
 * NUL. Keys may repeat (arg, env). Values hold any byte but NUL; numbers are decimal text. The
 * agent links nothing, so this takes the place of JSON there.
 */
#ifndef WIRE_FIELDS_H
#define WIRE_FIELDS_H

#include "wire/frame.h"

#include <time.h>

/* Appends one field to a payload that is being built. */
bool fields_add(struct buffer *out, const char *key, const char *value);
bool fields_add_u64(struct buffer *out, const char *key, uint64_t value);

/* The modification time of an ENTRY: `mtime` in seconds, and `mtime_ns`, which may be missing. One before 1970 becomes 1970. */
bool fields_add_time(struct buffer *out, struct timespec modified);
bool fields_get_time(const struct frame *f, struct timespec *out);

/*
 * Walks over a payload: start with *at = NULL; false at the end, or at the first thing that is not
 * a field (a missing NUL or '='): such a payload fails fields_valid(), which callers check first.
 */
bool fields_valid(const struct frame *f);
bool fields_next(const struct frame *f, const char **at, const char **key, size_t *key_length,
                 const char **value);

/* The value of the first field of that name, or NULL. Borrowed. */
const char *fields_get(const struct frame *f, const char *key);

/* The same as a number; false when it is missing or not a number. */
bool fields_get_u64(const struct frame *f, const char *key, uint64_t *out);

#endif
