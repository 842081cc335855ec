/* SPDX-License-Identifier: MIT */
#include "document.h"

#include "runner.h"

#include "base/error.h"

#define OPERATION "run.request"

static int put(json_t *document, const char *name, json_t *value, lrun_error *err)
{
    return json_object_set_new(document, name, value) < 0 ? error_oom(err, OPERATION) : 0;
}

/* Returns a new string, or NULL with an error if the text is not UTF-8, which JSON cannot carry. */
static json_t *text(const char *name, const char *value, lrun_error *err)
{
    json_t *s = json_string(value);
    if (!s)
        error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "%s: must be UTF-8", name);
    return s;
}

static int put_text(json_t *document, const char *name, const char *value, lrun_error *err)
{
    if (!value)
        return 0;
    json_t *s = text(name, value, err);
    return s ? put(document, name, s, err) : -1;
}

static int put_texts(json_t *document, const char *name, const char *const *values, lrun_error *err)
{
    if (!values)
        return 0;
    json_t *list = json_array();
    if (put(document, name, list, err) < 0)
        return -1;
    for (; *values; values++) {
        json_t *s = text(name, *values, err);
        if (!s)
            return -1;
        if (json_array_append_new(list, s) < 0)
            return error_oom(err, OPERATION);
    }
    return 0;
}

/* Zero means that it is not given. */
static int put_ms(json_t *document, const char *name, uint64_t ms, lrun_error *err)
{
    if (ms > INT64_MAX)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "%s: is too large", name);
    return ms ? put(document, name, json_integer((json_int_t)ms), err) : 0;
}

static int put_extract(json_t *document, const lrun_request *r, lrun_error *err)
{
    if (!r->extract)
        return r->extract_count == 0
                   ? 0
                   : error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
                               "extract: is NULL with a count of %zu", r->extract_count);
    json_t *list = json_array();
    if (put(document, "extract", list, err) < 0)
        return -1;
    /* The size of an entry is the size of the caller's struct, which may be smaller or larger than
     * ours. */
    const char *at = (const char *)r->extract;
    for (size_t i = 0; i < r->extract_count; i++) {
        lrun_extract e = LRUN_EXTRACT_INIT;
        size_t size = ((const lrun_extract *)at)->size;
        /* Checked before the entry is read: a wrong size would lead beyond the array. */
        if (size != r->extract->size)
            return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
                             "extract[%zu].size: is %zu, and that of the first entry %zu", i, size,
                             r->extract->size);
        if (runner_take_struct(&e, sizeof(e), at, size, "lrun_extract", err) < 0)
            return -1;
        at += size;
        json_t *entry = json_object();
        if (json_array_append_new(list, entry) < 0)
            return error_oom(err, OPERATION);
        if (put_text(entry, "from", e.from, err) < 0 || put_text(entry, "to", e.to, err) < 0)
            return -1;
    }
    return 0;
}

static int fill(json_t *document, const lrun_request *r, lrun_error *err)
{
    if (put_text(document, "image", r->image, err) < 0 ||
        put_text(document, "entrypoint", r->entrypoint, err) < 0 ||
        put_texts(document, "argv", r->argv, err) < 0 ||
        put_texts(document, "run", r->run, err) < 0 || put_text(document, "dir", r->dir, err) < 0 ||
        put_texts(document, "ignore", r->ignore, err) < 0 ||
        put_text(document, "links", r->links, err) < 0 ||
        put_text(document, "extractWhen", r->extract_when, err) < 0 ||
        put_texts(document, "networks", r->networks, err) < 0 ||
        put_texts(document, "dns", r->dns, err) < 0 ||
        put_texts(document, "env", r->env, err) < 0 ||
        put_text(document, "workdir", r->workdir, err) < 0 || put_extract(document, r, err) < 0)
        return -1;
    if (put_ms(document, "timeout", r->timeout_ms, err) < 0 ||
        put_ms(document, "cpuTimeout", r->cpu_timeout_ms, err) < 0)
        return -1;
    if (r->tty && put(document, "tty",
                      json_pack("{sI,sI}", "rows", (json_int_t)r->tty_rows, "columns",
                                (json_int_t)r->tty_columns),
                      err) < 0)
        return -1;
    return r->detached ? put(document, "detached", json_true(), err) : 0;
}

int document_from_request(json_t **out, const lrun_request *request, lrun_error *err)
{
    json_t *document = json_object();
    if (!document)
        return error_oom(err, OPERATION);
    if (fill(document, request, err) < 0) {
        json_decref(document);
        return -1;
    }
    *out = document;
    return 0;
}

int document_add_options(json_t *document, const json_t *options, lrun_error *err)
{
    json_t *given = json_object_get(document, "options");
    if (json_object_size(options) == 0 || (given && !json_is_object(given)))
        return 0; /* a wrong type is reported when the request is checked */
    json_t *copy = json_deep_copy(options);
    if (!copy)
        return error_oom(err, OPERATION);
    if (!given)
        return put(document, "options", copy, err);
    int rc = json_object_update_missing(given, copy);
    json_decref(copy);
    return rc < 0 ? error_oom(err, OPERATION) : 0;
}
