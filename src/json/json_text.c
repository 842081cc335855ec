/* SPDX-License-Identifier: MIT */
#include "json/json_text.h"

#include <jansson.h>
#include <string.h>

/* jansson's parser has the same limit. */
enum { DEPTH_MAX = 2048 };

/* Each take_ function returns whether it found its element. If so, `at` is past the element; if
 * not, `at` is at the error. */
struct scanner {
    const char *at, *end;
    int depth;
};

static void skip_blanks(struct scanner *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
        s->at++;
}

static bool take(struct scanner *s, char c)
{
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

static bool take_digits(struct scanner *s)
{
    const char *first = s->at;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
        s->at++;
    return s->at > first;
}

static bool take_number(struct scanner *s)
{
    (void)take(s, '-');
    if (!take(s, '0') && !take_digits(s))
        return false;
    if (take(s, '.') && !take_digits(s))
        return false;
    if (!take(s, 'e') && !take(s, 'E'))
        return true;
    if (!take(s, '+'))
        (void)take(s, '-');
    return take_digits(s);
}

static bool take_escape(struct scanner *s)
{
    if (take(s, 'u')) {
        for (int i = 0; i < 4; i++, s->at++)
            if (s->at == s->end || !*s->at || !strchr("0123456789abcdefABCDEF", *s->at))
                return false;
        return true;
    }
    if (s->at == s->end || !*s->at || !strchr("\"\\/bfnrt", *s->at))
        return false;
    s->at++;
    return true;
}

static bool take_string(struct scanner *s)
{
    if (!take(s, '"'))
        return false;
    for (;;) {
        const char *at = s->at, *end = s->end;
        while (at < end && *at != '"' && *at != '\\' && (unsigned char)*at >= ' ')
            at++;
        s->at = at;
        if (!take(s, '\\'))
            return take(s, '"');
        if (!take_escape(s))
            return false;
    }
}

static bool take_word(struct scanner *s, const char *word)
{
    size_t length = strlen(word);
    if ((size_t)(s->end - s->at) < length || memcmp(s->at, word, length) != 0)
        return false;
    s->at += length;
    return true;
}

static bool take_value(struct scanner *s);

static bool take_array(struct scanner *s)
{
    s->at++;
    skip_blanks(s);
    if (take(s, ']'))
        return true;
    do {
        if (!take_value(s))
            return false;
    } while (take(s, ','));
    return take(s, ']');
}

/* If `name` is given, *value and *length become the value of the first member of that name. */
static bool take_members(struct scanner *s, const char *name, const char **value, size_t *length)
{
    s->at++;
    skip_blanks(s);
    if (take(s, '}'))
        return true;
    do {
        skip_blanks(s);
        const char *key = s->at;
        if (!take_string(s))
            return false;
        /* A name may contain escapes, so we compare it as the parser reads it. */
        json_t *parsed =
            name ? json_loadb(key, (size_t)(s->at - key), JSON_DECODE_ANY, NULL) : NULL;
        bool wanted = parsed && !*value && strcmp(json_string_value(parsed), name) == 0;
        json_decref(parsed);
        skip_blanks(s);
        if (!take(s, ':'))
            return false;
        skip_blanks(s);
        const char *first = s->at;
        if (!take_value(s))
            return false;
        if (wanted) {
            *value = first;
            for (*length = (size_t)(s->at - first); strchr(" \t\r\n", first[*length - 1]);)
                (*length)--;
        }
    } while (take(s, ','));
    return take(s, '}');
}

/* Takes a value, with the blanks before and after it. */
static bool take_value(struct scanner *s)
{
    bool taken = false;
    skip_blanks(s);
    char c = s->at < s->end ? *s->at : '\0';
    if (s->depth == DEPTH_MAX)
        return false;
    s->depth++;
    if (c == '{')
        taken = take_members(s, NULL, NULL, NULL);
    else if (c == '[')
        taken = take_array(s);
    else if (c == '"')
        taken = take_string(s);
    else if (c == 't' || c == 'f' || c == 'n')
        taken = take_word(s, c == 't' ? "true" : c == 'f' ? "false" : "null");
    else
        taken = take_number(s);
    s->depth--;
    if (taken)
        skip_blanks(s);
    return taken;
}

bool json_text_is_valid(const char *text, size_t length, size_t *at)
{
    struct scanner s = {.at = text, .end = text + length};
    bool valid = take_value(&s) && s.at == s.end;
    *at = (size_t)(s.at - text);
    return valid;
}

int json_text_member(const char *text, size_t length, const char *name, struct json_span *out)
{
    struct scanner s = {.at = text, .end = text + length};
    const char *value = NULL;
    skip_blanks(&s);
    if (s.at == s.end || *s.at != '{') {
        size_t at;
        return json_text_is_valid(text, length, &at) ? 0 : -1;
    }
    s.depth = 1;
    if (!take_members(&s, name, &value, &out->length))
        return -1;
    skip_blanks(&s);
    if (s.at != s.end)
        return -1;
    out->offset = value ? (size_t)(value - text) : 0;
    return value != NULL;
}
