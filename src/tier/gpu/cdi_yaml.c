/* SPDX-License-Identifier: MIT */
/*
 * Converts YAML to the equivalent JSON: mappings with plain keys, sequences and scalars. Anchors,
 * tags and merged documents are rejected: no tool writes them into a spec, and an alias can turn
 * a small file into a large one.
 */
#include "tier/gpu/cdi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define OPERATION "cdi.load"

enum { DEPTH_MAX = 32 };

static int fail(lrun_error *err, const yaml_event_t *event, const char *what)
{
    return error_set(err, LRUN_START_FAILED, OPERATION,
                     "is not YAML as specs have it: line %zu: %s", event->start_mark.line + 1,
                     what);
}

static int next_event(yaml_parser_t *parser, yaml_event_t *event, lrun_error *err)
{
    if (yaml_parser_parse(parser, event))
        return 0;
    memset(event, 0, sizeof(*event));
    return error_set(err, LRUN_START_FAILED, OPERATION, "is not YAML: line %zu: %s",
                     parser->problem_mark.line + 1,
                     parser->problem ? parser->problem : "memory is out");
}

static bool is_integer(const char *text)
{
    const char *digits = text + (*text == '-');
    size_t length = strspn(digits, "0123456789");
    /* Some parsers read a leading zero as octal, others as decimal. */
    return length > 0 && digits[length] == '\0' && (length == 1 || *digits != '0');
}

/* An unquoted word becomes the value that it looks like. */
static json_t *plain_value(const char *text, size_t length)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    static const char *const truths[] = {"true", "True", "TRUE"}, *const lies[] = {"false", "False",
                                                                                   "FALSE"};
    if (strlen(text) != length)
        return json_stringn(text, length);
    for (size_t i = 0; i < sizeof(nulls) / sizeof(nulls[0]); i++)
        if (strcmp(text, nulls[i]) == 0)
            return json_null();
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(text, truths[i]) == 0)
            return json_true();
        if (strcmp(text, lies[i]) == 0)
            return json_false();
    }
    errno = 0;
    long long number = is_integer(text) ? strtoll(text, NULL, 10) : 0;
    return is_integer(text) && errno == 0 ? json_integer(number) : json_stringn(text, length);
}

static json_t *build(yaml_parser_t *parser, const yaml_event_t *event, int depth, lrun_error *err);

static int build_sequence(json_t *list, yaml_parser_t *parser, int depth, lrun_error *err)
{
    for (;;) {
        yaml_event_t event;
        if (next_event(parser, &event, err) < 0)
            return -1;
        bool end = event.type == YAML_SEQUENCE_END_EVENT;
        json_t *value = end ? NULL : build(parser, &event, depth, err);
        yaml_event_delete(&event);
        if (end)
            return 0;
        if (!value)
            return -1;
        if (json_array_append_new(list, value) < 0)
            return error_oom(err, OPERATION);
    }
}

static int add_member(json_t *object, yaml_parser_t *parser, const yaml_event_t *key, int depth,
                      lrun_error *err)
{
    if (key->type != YAML_SCALAR_EVENT || key->data.scalar.anchor)
        return fail(err, key, "a key that is not a scalar");
    const char *name = (const char *)key->data.scalar.value;
    if (strlen(name) != key->data.scalar.length || json_object_get(object, name))
        return fail(err, key, "a repeated key, or a key with a NUL");
    yaml_event_t event;
    if (next_event(parser, &event, err) < 0)
        return -1;
    json_t *value = build(parser, &event, depth, err);
    yaml_event_delete(&event);
    if (!value)
        return -1;
    /* libyaml has checked that the key is UTF-8, but jansson's check is stricter. */
    return json_object_set_new(object, name, value) == 0 ? 0
                                                         : fail(err, key, "a key that is not text");
}

static int build_mapping(json_t *object, yaml_parser_t *parser, int depth, lrun_error *err)
{
    for (;;) {
        yaml_event_t key;
        if (next_event(parser, &key, err) < 0)
            return -1;
        bool end = key.type == YAML_MAPPING_END_EVENT;
        int failed = end ? 0 : add_member(object, parser, &key, depth, err);
        yaml_event_delete(&key);
        if (end || failed)
            return failed;
    }
}

static json_t *build_scalar(const yaml_event_t *event, lrun_error *err)
{
    const char *text = (const char *)event->data.scalar.value;
    if (event->data.scalar.anchor || event->data.scalar.tag) {
        fail(err, event, "an anchor or a tag");
        return NULL;
    }
    json_t *value = event->data.scalar.plain_implicit
                        ? plain_value(text, event->data.scalar.length)
                        : json_stringn(text, event->data.scalar.length);
    if (!value)
        fail(err, event, "not text");
    return value;
}

static json_t *build(yaml_parser_t *parser, const yaml_event_t *event, int depth, lrun_error *err)
{
    json_t *value = NULL;
    int failed = -1;
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return build_scalar(event, err);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        break;
    case YAML_ALIAS_EVENT:
        fail(err, event, "an alias");
        return NULL;
    default:
        fail(err, event, "there is no value");
        return NULL;
    }
    bool list = event->type == YAML_SEQUENCE_START_EVENT;
    if (list ? event->data.sequence_start.anchor || event->data.sequence_start.tag
             : event->data.mapping_start.anchor || event->data.mapping_start.tag) {
        fail(err, event, "an anchor or a tag");
    } else if (depth >= DEPTH_MAX) {
        fail(err, event, "too deep");
    } else {
        value = list ? json_array() : json_object();
        failed = !value ? error_oom(err, OPERATION)
                 : list ? build_sequence(value, parser, depth + 1, err)
                        : build_mapping(value, parser, depth + 1, err);
    }
    if (failed) {
        json_decref(value);
        return NULL;
    }
    return value;
}

/* Reads the only document, between the start and the end of the stream. */
static json_t *build_document(yaml_parser_t *parser, lrun_error *err)
{
    static const yaml_event_type_t frame[] = {YAML_STREAM_START_EVENT, YAML_DOCUMENT_START_EVENT,
                                              YAML_NO_EVENT, YAML_DOCUMENT_END_EVENT,
                                              YAML_STREAM_END_EVENT};
    json_t *document = NULL;
    for (size_t i = 0; i < sizeof(frame) / sizeof(frame[0]); i++) {
        yaml_event_t event;
        int failed = next_event(parser, &event, err);
        if (!failed && frame[i] == YAML_NO_EVENT)
            failed = (document = build(parser, &event, 0, err)) ? 0 : -1;
        else if (!failed && event.type != frame[i])
            failed = fail(err, &event, "there must be one document");
        yaml_event_delete(&event);
        if (failed) {
            json_decref(document);
            return NULL;
        }
    }
    return document;
}

json_t *cdi_yaml_parse(const char *text, size_t length, lrun_error *err)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        error_oom(err, OPERATION);
        return NULL;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    /* Otherwise a byte order mark would decide, and UTF-16 would be one more source of errors. */
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    json_t *document = build_document(&parser, err);
    yaml_parser_delete(&parser);
    return document;
}
