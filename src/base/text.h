/* SPDX-License-Identifier: MIT */
/*
 * Parsers of what users write: sizes, durations, numbers, paths. They are strict: they take the
 * whole string, with no leading blanks or signs, and reject overflow.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool text_parse_u64(const char *s, uint64_t *out);

/* <digits>[k|m|g], case-insensitive, powers of 1024. */
bool text_parse_size(const char *s, uint64_t *bytes);

/* <number>[ms|s|m|h|d]; a bare number is milliseconds; fractions as in "1.5s". */
bool text_parse_duration_ms(const char *s, uint64_t *ms);

/* A POSIX environment name: [A-Za-z_][A-Za-z0-9_]* of the given length. */
bool text_is_env_name(const char *s, size_t length);

/* The kind of the first character of a text. */
enum text_kind {
    TEXT_PRINTABLE,
    TEXT_CONTROL, /* a terminal may obey it: C0, DEL, C1, line separators, direction marks */
    TEXT_INVALID, /* a byte that is not part of UTF-8 text, or NUL */
};

/* Returns the kind of the first character in `left` > 0 bytes, and its length. *character is 0 if
 * it is invalid. */
enum text_kind text_next(const char *s, size_t left, size_t *length, uint32_t *character);

/*
 * Replaces line feeds and tabs by blanks, and every other character that is not TEXT_PRINTABLE by
 * '?'. Text written by a sandbox, an image, a registry or a daemon must not control the terminal
 * that shows it. Errors (base/error.h) do not need this call: their text is always printable.
 */
void text_make_printable(char *s);

/* Returns a copy, malloc'd, in which U+FFFD replaces NUL and every byte that is not part of UTF-8
 * text. NULL when memory is out. */
char *text_to_utf8(const char *data, size_t length);

/* Whether any segment of the path is "..". */
bool text_path_has_dotdot(const char *path);

/*
 * Whether the path may be created beneath a folder: relative, not empty, no empty, "." or ".."
 * segment, no segment over 255 bytes, at most 4095 bytes in all.
 */
bool text_path_is_beneath(const char *path);

/* Returns base + "/" + path without needless slashes and "." segments; `path` alone if it is
 * absolute. malloc'd; NULL when memory is out. ".." is kept: reject it before this call. */
char *text_path_join(const char *base, const char *path);

#endif
