/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads digits at *s and moves it past them. */
static bool take_digits(const char **s, uint64_t *out)
{
    if (!is_digit(**s))
        return false;
    uint64_t value = 0;
    for (; is_digit(**s); (*s)++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(**s - '0'), &value))
            return false;
    }
    *out = value;
    return true;
}

bool text_parse_u64(const char *s, uint64_t *out)
{
    return take_digits(&s, out) && *s == '\0';
}

bool text_parse_size(const char *s, uint64_t *bytes)
{
    uint64_t value, unit = 1;
    if (!take_digits(&s, &value))
        return false;
    switch (*s) {
    case 'k':
    case 'K':
        unit = 1ull << 10;
        s++;
        break;
    case 'm':
    case 'M':
        unit = 1ull << 20;
        s++;
        break;
    case 'g':
    case 'G':
        unit = 1ull << 30;
        s++;
        break;
    default:
        break;
    }
    return *s == '\0' && !__builtin_mul_overflow(value, unit, bytes);
}

bool text_parse_duration_ms(const char *s, uint64_t *ms)
{
    static const struct {
        const char *suffix;
        uint64_t unit;
    } units[] = {{"", 1}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};

    uint64_t whole, thousandths = 0;
    if (!take_digits(&s, &whole))
        return false;
    if (*s == '.') {
        s++;
        if (!is_digit(*s))
            return false;
        for (uint64_t weight = 100; is_digit(*s); s++, weight /= 10)
            thousandths += weight * (uint64_t)(*s - '0');
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(s, units[i].suffix) != 0)
            continue;
        uint64_t value;
        if (__builtin_mul_overflow(whole, units[i].unit, &value) ||
            __builtin_add_overflow(value, thousandths * units[i].unit / 1000, &value))
            return false;
        *ms = value;
        return true;
    }
    return false;
}

bool text_is_env_name(const char *s, size_t length)
{
    if (length == 0 || is_digit(s[0]))
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = s[i];
        if (!(is_digit(c) || c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')))
            return false;
    }
    return true;
}

/* Finds the segment at *s (without slashes) and moves *s past it; false at the end. */
static bool next_segment(const char **s, const char **segment, size_t *length)
{
    while (**s == '/')
        (*s)++;
    if (**s == '\0')
        return false;
    *segment = *s;
    *length = strcspn(*s, "/");
    *s += *length;
    return true;
}

bool text_path_has_dotdot(const char *path)
{
    const char *segment;
    size_t length;
    while (next_segment(&path, &segment, &length))
        if (length == 2 && segment[0] == '.' && segment[1] == '.')
            return true;
    return false;
}

bool text_path_is_beneath(const char *path)
{
    size_t total = strlen(path);
    if (total == 0 || total > 4095 || path[0] == '/' || path[total - 1] == '/')
        return false;
    for (const char *s = path;;) {
        size_t length = strcspn(s, "/");
        if (length == 0 || length > 255 || (length == 1 && s[0] == '.') ||
            (length == 2 && s[0] == '.' && s[1] == '.'))
            return false;
        if (s[length] == '\0')
            return true;
        s += length + 1;
    }
}

char *text_path_join(const char *base, const char *path)
{
    const char *parts[2] = {path[0] == '/' ? "" : base, path};
    char *out = malloc(strlen(parts[0]) + strlen(parts[1]) + 3);
    if (!out)
        return NULL;
    size_t used = 0;
    for (int i = 0; i < 2; i++) {
        const char *s = parts[i], *segment;
        size_t length;
        while (next_segment(&s, &segment, &length)) {
            if (length == 1 && segment[0] == '.')
                continue;
            out[used++] = '/';
            memcpy(out + used, segment, length);
            used += length;
        }
    }
    if (used == 0)
        out[used++] = '/';
    out[used] = '\0';
    return out;
}

/* Returns the length of the well-formed character at `s`, or 0 if there is none. */
static size_t utf8_length(const unsigned char *s, size_t left)
{
    static const struct {
        unsigned char first, last, second_min, second_max, length;
    } forms[] = {
        {0x01, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (*s < forms[i].first || *s > forms[i].last)
            continue;
        size_t length = forms[i].length;
        if (length > left ||
            (length > 1 && (s[1] < forms[i].second_min || s[1] > forms[i].second_max)))
            return 0;
        for (size_t k = 2; k < length; k++)
            if ((s[k] & 0xc0) != 0x80)
                return 0;
        return length;
    }
    return 0;
}

/*
 * Characters that a terminal obeys or that change the order in which a line is read: C0, DEL, C1
 * (U+009B begins a control sequence, as ESC [ does), line separators, and direction marks, which
 * can make a text look like another.
 */
static bool is_control(uint32_t c)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {
        {0, 0x1f},        {0x7f, 0x9f},     {0x61c, 0x61c},
        {0x200e, 0x200f}, {0x2028, 0x202e}, {0x2066, 0x2069},
    };
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
        if (c >= ranges[i].first && c <= ranges[i].last)
            return true;
    return false;
}

static uint32_t decode(const unsigned char *s, size_t length)
{
    uint32_t c = length == 1 ? s[0] : s[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++)
        c = c << 6 | (s[i] & 0x3fu);
    return c;
}

enum text_kind text_next(const char *s, size_t left, size_t *length, uint32_t *character)
{
    *length = utf8_length((const unsigned char *)s, left);
    *character = 0;
    if (*length == 0) {
        *length = 1;
        return TEXT_INVALID;
    }
    *character = decode((const unsigned char *)s, *length);
    return is_control(*character) ? TEXT_CONTROL : TEXT_PRINTABLE;
}

void text_make_printable(char *s)
{
    char *to = s;
    for (size_t left = strlen(s), length; left > 0; s += length, left -= length) {
        uint32_t c;
        if (text_next(s, left, &length, &c) == TEXT_PRINTABLE) {
            memmove(to, s, length);
            to += length;
        } else {
            *to++ = c == '\n' || c == '\t' ? ' ' : '?';
        }
    }
    *to = '\0';
}

char *text_to_utf8(const char *data, size_t length)
{
    char *out = malloc(3 * length + 1), *to = out;
    for (size_t i = 0; out && i < length;) {
        size_t n = utf8_length((const unsigned char *)data + i, length - i);
        to = n ? mempcpy(to, data + i, n) : mempcpy(to, "\xef\xbf\xbd", 3);
        i += n ? n : 1;
    }
    if (out)
        *to = '\0';
    return out;
}
