/* SPDX-License-Identifier: MIT */
/*
 * Scans JSON text without converting its values. A JSON parser converts numbers to its language's
 * types. It may reject numbers that do not fit, drop members with the same name, and write escapes
 * differently. A value that is only passed on must come out as it was given.
 */
#ifndef JSON_JSON_TEXT_H
#define JSON_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Returns whether the text is one JSON value, with optional blanks around it. If not, *at is the
 * offset of the error. Bytes above 0x7f in strings are not checked: the caller checks that they are
 * UTF-8. */
bool json_text_is_valid(const char *text, size_t length, size_t *at);

struct json_span {
    size_t offset, length;
};

/* Returns 1 if the text is an object with a member of that name, 0 if it is valid and has no such
 * member, -1 if it is not JSON. *out is the value of the first such member. */
int json_text_member(const char *text, size_t length, const char *name, struct json_span *out);

#endif
