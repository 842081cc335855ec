/* SPDX-License-Identifier: MIT */
#include "wire/task.h"

#include "json/check.h"
#include "json/request_text.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { USER_MAX = 256 };

static const char *const fields_of[][10] = {
    [TASK_EXEC] = {"entrypoint", "command", "argv", "env", "workdir", "input", "timeout", "tty",
                   "options"},
    [TASK_PUT] = {"dir", "ignore", "links"},
    [TASK_GET] = {"extract", "options"},
};
static const char *const option_of[] = {
    [TASK_EXEC] = "maxLogBytes", [TASK_PUT] = "", [TASK_GET] = "maxExtractBytes"};

static bool has_name(const char *const *names, const char *name)
{
    for (; *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

/* The rest of a request belongs to the session, and was decided when it was opened. */
static int check_names(enum task_kind kind, const json_t *document, lrun_error *err)
{
    const char *name;
    json_t *value, *options = json_object_get(document, "options");
    if (!json_is_object(document))
        return check_fail(err, "", "must be an object");
    json_object_foreach ((json_t *)(uintptr_t)document, name, value)
        if (!has_name(fields_of[kind], name))
            return check_fail(err, name, "is not a field of this");
    json_object_foreach (options, name, value)
        if (strcmp(name, option_of[kind]) != 0)
            return check_fail(err, "options", "'%.60s' belongs to the session", name);
    return 0;
}

static int take_own(struct task *t, json_t *document, lrun_error *err)
{
    bool command = t->kind == TASK_EXEC, put = t->kind == TASK_PUT;
    json_t *user = command ? json_object_get(document, "user") : NULL;
    json_t *to = put ? json_object_get(document, "to") : NULL;
    json_t *logs = json_object_get(document, "logs");
    t->logs = true;
    if ((user && check_copy_name(&t->user, "user", user, USER_MAX, err) < 0) ||
        (to && check_copy_name(&t->to, "to", to, PATH_MAX - 1, err) < 0) ||
        (logs && check_bool(&t->logs, "logs", logs, err) < 0))
        return -1;
    if (command)
        json_object_del(document, "user");
    if (put)
        json_object_del(document, "to");
    json_object_del(document, "logs");
    return 0;
}

static int check_complete(const struct task *t, lrun_error *err)
{
    const struct request *r = &t->request;
    if (t->kind == TASK_EXEC && !r->entrypoint && !r->argv)
        return check_fail(err, "entrypoint", "is missing, and so is 'argv'");
    if (t->kind == TASK_PUT && !r->dir)
        return check_fail(err, "dir", "is missing");
    if (t->kind == TASK_GET && !r->has_extract)
        return check_fail(err, "extract", "is missing");
    return 0;
}

int task_from_json(struct task *out, enum task_kind kind, const json_t *document, lrun_error *err)
{
    cleanup_task struct task t = {.kind = kind};
    if (kind == TASK_FILE) {
        if (file_order_from_json(&t.file, document, err) < 0)
            return -1;
        *out = t;
        t = (struct task){0};
        return 0;
    }
    json_t *copy = json_copy((json_t *)(uintptr_t)document);
    int rc = copy ? take_own(&t, copy, err) : check_fail(err, "", "must be an object");
    if (rc == 0)
        rc = check_names(kind, copy, err);
    /* A request needs an image. Nothing looks at this one. */
    if (rc == 0 && json_object_set_new(copy, "image", json_string("session")) < 0)
        rc = error_oom(err, "task");
    if (rc == 0)
        rc = request_from_json(&t.request, copy, err);
    json_decref(copy);
    if (rc < 0 || check_complete(&t, err) < 0)
        return -1;
    *out = t;
    t = (struct task){0};
    return 0;
}

int task_parse(struct task *out, enum task_kind kind, const char *json, size_t length,
               lrun_error *err)
{
    json_t *document;
    if (request_text_load(&document, json, length, err) < 0)
        return -1;
    int rc = task_from_json(out, kind, document, err);
    json_decref(document);
    return rc;
}

void task_free(struct task *t)
{
    request_free(&t->request);
    file_order_free(&t->file);
    free(t->user);
    free(t->to);
    *t = (struct task){0};
}
