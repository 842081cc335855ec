/* SPDX-License-Identifier: MIT */
#include "message.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "json/check.h"
#include "json/json_text.h"

#include <string.h>

/* The largest integer that every JSON parser reads exactly. */
#define ID_NUMBER_MAX 9007199254740991

static int read_id(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct message *m = out;
    size_t length = json_string_length(value);
    bool number = json_is_integer(value) && json_integer_value(value) >= 0 &&
                  json_integer_value(value) <= ID_NUMBER_MAX;
    if (!number && (length == 0 || length > MESSAGE_ID_MAX))
        return check_fail(err, field,
                          "must be an integer from 0 to %lld, or a string of 1 to %d bytes",
                          (long long)ID_NUMBER_MAX, MESSAGE_ID_MAX);
    m->id = (json_t *)value;
    return 0;
}

static int read_method(void *out, const char *field, const json_t *value, lrun_error *err)
{
    return check_string(&((struct message *)out)->method, field, value, err);
}

static int read_params(void *out, const char *field, const json_t *value, lrun_error *err)
{
    if (!json_is_object(value))
        return check_fail(err, field, "must be an object");
    ((struct message *)out)->params = (json_t *)value;
    return 0;
}

static const struct check_field fields[] = {
    {"id", read_id}, {"method", read_method}, {"params", read_params}, {0}};

/* Returns the line without params.request. */
static char *take_request(struct message *m, const char *line, size_t length, size_t *rest_length,
                          lrun_error *err)
{
    struct json_span params, request;
    size_t at;
    if (!json_text_is_valid(line, length, &at)) {
        check_fail(err, "", "the line is not JSON: error at byte %zu", at);
        return NULL;
    }
    const char *inner = line;
    if (json_text_member(line, length, "params", &params) > 0 &&
        json_text_member(inner = line + params.offset, params.length, "request", &request) > 0) {
        m->request = inner + request.offset;
        m->request_length = request.length;
    }
    size_t before = m->request ? (size_t)(m->request - line) : length;
    size_t after = length - before - m->request_length;
    if (before + after > MESSAGE_REST_MAX) {
        check_fail(err, "", "the line has over %d bytes without params.request", MESSAGE_REST_MAX);
        return NULL;
    }
    char *rest = malloc(before + after + 5);
    if (!rest) {
        error_oom(err, "rpc.message");
        return NULL;
    }
    memcpy(rest, line, before);
    memcpy(rest + before, "null", 4);
    *rest_length = before;
    if (m->request) {
        memcpy(rest + before + 4, line + length - after, after);
        *rest_length += 4 + after;
    }
    return rest;
}

int message_parse(struct message *out, const char *line, size_t length, lrun_error *err)
{
    *out = (struct message){0};
    lrun_error ignored;
    size_t rest_length = 0;
    cleanup_free char *rest = take_request(out, line, length, &rest_length, err);
    if (!rest)
        return -1;
    json_error_t where;
    out->document = json_loadb(rest, rest_length, JSON_REJECT_DUPLICATES, &where);
    if (!out->document)
        return check_fail(err, "", "the line is not a JSON object: %s", where.text);
    /* Whatever else is wrong, the error should reach the call. */
    json_t *id = json_object_get(out->document, "id");
    if (id)
        (void)read_id(out, "id", id, &ignored);
    if (check_object(out, "", out->document, fields, err) < 0)
        return -1;
    if (!out->id)
        return check_fail(err, "id", "is missing");
    return out->method ? 0 : check_fail(err, "method", "is missing");
}

void message_free(struct message *m)
{
    json_decref(m->document);
    *m = (struct message){0};
}

/* ------------------------------------------------------------------ to the client */

/* Takes the reference. */
static char *dump(json_t *document)
{
    cleanup_free char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
    json_decref(document);
    char *line = NULL;
    if (text && asprintf(&line, "%s\n", text) < 0)
        line = NULL;
    return line;
}

char *message_response(json_t *id, json_t *result)
{
    return dump(json_pack("{sO*,so}", "id", id, "result", result));
}

/* The name of the wrong field, as the checks of json/check.h begin their messages with it. */
static void find_field(char *out, size_t size, const lrun_error *e)
{
    static const char unknown[] = "unknown field '";
    out[0] = '\0';
    if (e->code != LRUN_INVALID_ARGUMENT)
        return;
    if (strncmp(e->message, unknown, sizeof(unknown) - 1) == 0) {
        const char *name = e->message + sizeof(unknown) - 1;
        snprintf(out, size, "%.*s", (int)strcspn(name, "'"), name);
        return;
    }
    size_t n = strcspn(e->message, ": ");
    if (n > 0 && strncmp(e->message + n, ": ", 2) == 0)
        snprintf(out, size, "%.*s", (int)n, e->message);
}

/* An error's text is cut at its size, maybe within a character. */
static json_t *text_or_nothing(const char *text)
{
    cleanup_free char *clean = *text ? text_to_utf8(text, strlen(text)) : NULL;
    return clean ? json_string(clean) : NULL;
}

char *message_error(json_t *id, const lrun_error *e, json_t *counts)
{
    char field[200];
    find_field(field, sizeof(field), e);
    json_t *error =
        json_pack("{ss,so,so*,so*,so*,so*,sO*}", "code", lrun_code_name(e->code), "message",
                  text_or_nothing(e->message[0] ? e->message : "unknown error"), "operation",
                  text_or_nothing(e->operation), "container", text_or_nothing(e->id), "hint",
                  text_or_nothing(e->hint), "field", text_or_nothing(field), "counts", counts);
    return dump(id ? json_pack("{sO,so}", "id", id, "error", error)
                   : json_pack("{sn,so}", "id", "error", error));
}

char *message_event(json_t *id, const char *name, json_t *event)
{
    json_t *document = json_pack("{ss,sO*}", "event", name, "id", id);
    if (!document || json_object_update(document, event) < 0) {
        json_decref(document);
        document = NULL;
    }
    json_decref(event);
    return dump(document);
}
