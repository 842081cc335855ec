/* SPDX-License-Identifier: MIT */
/*
 * JSON text whose values are looked at and not converted. A parser turns numbers into what its language has,
 * and is in its right to refuse those that do not fit, to drop members of one name, to write escapes
 * in another way. What is only passed on must come out as it was given.
 */
#ifndef JSON_JSON_TEXT_H
#define JSON_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the text is one JSON value, with blanks around it. If not, *at is the offset of what is wrong. Bytes
 * above 0x7f in strings are not looked at: whether they are UTF-8 is for the caller to check. */
bool json_text_is_valid(const char *text, size_t length, size_t *at);

struct json_span {
    size_t offset, length;
};

/* 1: the text is an object with a member of that name, the first of which has its value at *out. 0: it is
 * valid and has none. -1: it is not JSON. */
int json_text_member(const char *text, size_t length, const char *name, struct json_span *out);

#endif
