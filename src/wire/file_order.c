/* SPDX-License-Identifier: MIT */
#include "wire/file_order.h"

#include "wire/frame.h"
#include "json/check.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *operation;
    const char *fields[3]; /* besides action and path */
} actions[] = {
    [FILE_READ] = {"read", "session.read", {"offset", "size"}},
    [FILE_WRITE] = {"write", "session.write", {"mode"}},
    [FILE_LIST] = {"list", "session.list", {"skip", "limit"}},
    [FILE_STAT] = {"stat", "session.stat", {NULL}},
    [FILE_REMOVE] = {"remove", "session.remove", {"recursive"}},
};

static int read_number(uint64_t *out, const char *field, const json_t *value, uint64_t most,
                       lrun_error *err)
{
    json_int_t number;
    if (!check_integer(&number, value) || number < 0 || (uint64_t)number > most)
        return check_fail(err, field, "must be a whole number from 0 to %ju", (uintmax_t)most);
    *out = (uint64_t)number;
    return 0;
}

static int read_action(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct file_order *o = out;
    const char *name = json_string_value(value);
    for (size_t i = 0; name && i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (strcmp(name, actions[i].name) == 0) {
            o->action = (enum file_action)i;
            return 0;
        }
    }
    return check_fail(err, field, "must be read, write, list, stat or remove");
}

static int read_path(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct file_order *o = out;
    return check_copy_name(&o->path, field, value, PATH_MAX - 1, err);
}

static int read_offset(void *out, const char *field, const json_t *value, lrun_error *err)
{
    return read_number(&((struct file_order *)out)->offset, field, value, INT64_MAX, err);
}

static int read_size(void *out, const char *field, const json_t *value, lrun_error *err)
{
    return read_number(&((struct file_order *)out)->size, field, value, FRAME_FILE_MAX, err);
}

static int read_skip(void *out, const char *field, const json_t *value, lrun_error *err)
{
    return read_number(&((struct file_order *)out)->skip, field, value, INT64_MAX, err);
}

static int read_limit(void *out, const char *field, const json_t *value, lrun_error *err)
{
    return check_positive(&((struct file_order *)out)->limit, field, value, FRAME_LIST_MAX, err);
}

static int read_mode(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct file_order *o = out;
    const char *text = json_string_value(value);
    size_t length = text ? strlen(text) : 0;
    if (length == 0 || length > 4 || strspn(text, "01234567") != length ||
        strtoul(text, NULL, 8) > 0777)
        return check_fail(err, field, "must be an octal number up to 777");
    memcpy(o->mode, text, length + 1);
    return 0;
}

static int read_recursive(void *out, const char *field, const json_t *value, lrun_error *err)
{
    return check_bool(&((struct file_order *)out)->recursive, field, value, err);
}

static const struct check_field table[] = {
    {"action", read_action}, {"path", read_path},           {"offset", read_offset},
    {"size", read_size},     {"skip", read_skip},           {"limit", read_limit},
    {"mode", read_mode},     {"recursive", read_recursive}, {NULL, NULL},
};

/* A field of another action is an error, not ignored. */
static int check_fields(const struct file_order *o, const json_t *document, lrun_error *err)
{
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)document, name, value) {
        bool known = strcmp(name, "action") == 0 || strcmp(name, "path") == 0;
        for (const char *const *f = actions[o->action].fields; !known && *f; f++)
            known = strcmp(name, *f) == 0;
        if (!known)
            return check_fail(err, name, "is not a field of %s", actions[o->action].name);
    }
    return 0;
}

int file_order_from_json(struct file_order *out, const json_t *document, lrun_error *err)
{
    struct file_order o = {.size = FRAME_FILE_MAX, .limit = FRAME_LIST_MAX};
    int rc = 0;
    if (!json_is_object(document))
        rc = check_fail(err, "", "must be an object");
    else if (!json_object_get(document, "action") || !json_object_get(document, "path"))
        rc = check_fail(err, json_object_get(document, "action") ? "path" : "action", "is missing");
    else if (check_object(&o, "", document, table, err) < 0 || check_fields(&o, document, err) < 0)
        rc = -1;
    if (rc < 0) {
        file_order_free(&o);
        return -1;
    }
    *out = o;
    return 0;
}

void file_order_free(struct file_order *o)
{
    free(o->path);
    *o = (struct file_order){0};
}

const char *file_order_operation(const struct file_order *o)
{
    return actions[o->action].operation;
}
