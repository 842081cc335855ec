/* SPDX-License-Identifier: MIT */
#include "verbs.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"
#include "json/error_json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cli_line(FILE *to, const char *format, ...)
{
    cleanup_free char *text = NULL;
    va_list ap;
    va_start(ap, format);
    if (vasprintf(&text, format, ap) < 0)
        text = NULL;
    va_end(ap);
    if (text)
        text_make_printable(text);
    fprintf(to, "%s\n", text ? text : "out of memory");
}

/* In JSON, all non-ASCII characters are within strings, where every character may be escaped. */
static void put_escaped(uint32_t c)
{
    if (c >= 0x10000)
        printf("\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + ((c - 0x10000) & 0x3ff));
    else
        printf("\\u%04x", c);
}

/* A json_dump_callback_t. jansson never splits a character. */
static int put_json(const char *text, size_t left, void *user)
{
    (void)user;
    const char *plain = text;
    for (size_t length; left > 0; text += length, left -= length) {
        uint32_t c;
        enum text_kind kind = text_next(text, left, &length, &c);
        /* C0 controls are only the line ends of an indented document: within strings they are
         * escaped already. */
        if (kind == TEXT_PRINTABLE || (kind == TEXT_CONTROL && c < ' '))
            continue;
        fwrite(plain, 1, (size_t)(text - plain), stdout);
        put_escaped(kind == TEXT_INVALID ? 0xfffd : c);
        plain = text + length;
    }
    fwrite(plain, 1, (size_t)(text - plain), stdout);
    return 0;
}

int cli_json(json_t *document, size_t flags)
{
    bool failed = !document || json_dump_callback(document, put_json, NULL, flags) < 0;
    json_decref(document);
    putchar('\n');
    return failed || ferror(stdout) ? CLI_FAILED : 0;
}

int cli_json_text(const char *text)
{
    (void)put_json(text, strlen(text), NULL);
    putchar('\n');
    return ferror(stdout) ? CLI_FAILED : 0;
}

int cli_fail(const lrun_error *e, bool json)
{
    bool hint = e->hint[0] != '\0';
    cli_line(stderr, "light-runner: %s: %s%s%s%s", lrun_code_name(e->code), e->message,
             hint ? " (" : "", e->hint, hint ? ")" : "");
    if (json)
        (void)cli_json(json_pack("{so}", "error", error_to_json(e)), JSON_COMPACT);
    fflush(stdout);
    return CLI_FAILED;
}

int cli_counts(const struct count *counts, const lrun_error *e, bool json)
{
    json_t *document = json_object();
    unsigned all = 0;
    for (const struct count *c = counts; c->name; c++) {
        all += c->number;
        (void)json_object_set_new(document, c->name, json_integer(c->number));
    }
    if (e && json)
        (void)json_object_set_new(document, "error", error_to_json(e));
    if (json) {
        (void)cli_json(json_incref(document), JSON_COMPACT);
    } else if (!e || all > 0) {
        for (const struct count *c = counts; c->name; c++)
            printf("%s%s: %u", c == counts ? "" : ", ", c->name, c->number);
        putchar('\n');
    }
    json_decref(document);
    return e ? cli_fail(e, false) : fflush(stdout) == 0 ? 0 : CLI_FAILED;
}

int cli_usage(const char *verb, bool json, const char *format, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    lrun_error e;
    error_set(&e, LRUN_INVALID_ARGUMENT, "cli.usage", "%s", text);
    error_hint(&e, "try: light-runner %s%s--help", verb, *verb ? " " : "");
    e.id[0] = '\0';
    return cli_fail(&e, json);
}

bool cli_parse(const struct command *c, void *into, int *argc, char **argv, int *code)
{
    lrun_error e = {0};
    int words = flags_parse(c, into, *argc, argv, &e);
    *argc = words + 1;
    if (words >= 0 && !flags_has(c, into, "help"))
        return true;
    if (words < 0) {
        *code = cli_fail(&e, flags_has(c, into, "json"));
        return false;
    }
    flags_help(c);
    *code = 0; /* main() checks that the help was written */
    return false;
}
