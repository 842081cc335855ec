/* SPDX-License-Identifier: MIT */
/*
 * Reads and writes a request as JSON text. `input` is kept letter by letter: in the document it is
 * a string that holds the JSON text of the value.
 */
#include "json/request_text.h"

#include "base/cleanup.h"
#include "json/json_text.h"

#include <stdlib.h>
#include <string.h>

#define OPERATION "request.parse"

static const char input[] = "input";

int request_text_input(json_t **out, const char *field, const char *text, size_t length,
                       lrun_error *err)
{
    size_t at;
    if (!json_text_is_valid(text, length, &at)) {
        error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "%s: not valid JSON at byte %zu", field,
                  at + 1);
        return error_hint(err, "give one JSON value; a text needs double quotes");
    }
    *out = json_stringn(text, length);
    return *out ? 0 : error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "%s: must be UTF-8", field);
}

/* Replaces the value by a 0 and blanks, so that the parser's errors have the right line and
 * column. */
static char *blank_out(const char *json, size_t length, const struct json_span *span)
{
    char *copy = malloc(length + 1);
    if (!copy)
        return NULL;
    memcpy(copy, json, length);
    copy[length] = '\0';
    for (size_t i = span->offset; i < span->offset + span->length; i++)
        if (copy[i] != '\n')
            copy[i] = ' ';
    copy[span->offset] = '0';
    return copy;
}

static json_t *load(const char *json, size_t length, json_error_t *e)
{
    /* Reject a key that is given twice: nobody can tell which value was meant. */
    return json_loadb(json, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, e);
}

static int not_json(const json_error_t *e, lrun_error *err)
{
    error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
              "the request is not valid JSON: line %d, column %d: %s", e->line, e->column, e->text);
    return error_hint(
        err, "give one JSON object like {\"image\": \"alpine\", \"entrypoint\": \"echo hello\"}");
}

int request_text_load(json_t **out, const char *json, size_t length, lrun_error *err)
{
    /* A byte order mark. Some editors begin every file with it. */
    static const char mark[] = "\xef\xbb\xbf";
    if (length >= strlen(mark) && memcmp(json, mark, strlen(mark)) == 0) {
        json += strlen(mark);
        length -= strlen(mark);
    }
    json_error_t e = {.line = 1, .column = 1, .text = "not an object"};
    struct json_span span = {0};
    int found = json_text_member(json, length, input, &span);
    cleanup_free char *rest = found > 0 ? blank_out(json, length, &span) : NULL;
    if (found > 0 && !rest)
        return error_oom(err, OPERATION);
    json_t *document = load(rest ? rest : json, length, &e), *value = NULL;
    /* Text that the scanner rejects is rejected even if the parser accepts it: an `input` could be
     * anywhere in it. */
    if (!document || found < 0) {
        json_decref(document);
        return not_json(&e, err);
    }
    if (found > 0 && (request_text_input(&value, input, json + span.offset, span.length, err) < 0 ||
                      json_object_set_new(document, input, value) < 0)) {
        json_decref(document);
        return value ? error_oom(err, OPERATION) : -1;
    }
    *out = document;
    return 0;
}

char *request_text_dump(const json_t *document)
{
    json_t *rest = json_copy((json_t *)(uintptr_t)document);
    const char *value = json_string_value(json_object_get(document, input));
    (void)json_object_del(rest, input);
    char *text = rest ? json_dumps(rest, JSON_COMPACT) : NULL;
    json_decref(rest);
    if (!text || !value)
        return text;
    /* `input` goes first; there may be no other members. */
    char *whole = NULL;
    int n = asprintf(&whole, "{\"%s\":%s%s%s", input, value, text[1] == '}' ? "" : ",", text + 1);
    free(text);
    return n < 0 ? NULL : whole;
}
