/* SPDX-License-Identifier: MIT */
#include "run/extraction.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

static const char operation[] = "extract";

int extraction_init(struct extraction *x, const struct request *r, mode_t mask, lrun_error *err)
{
    *x = (struct extraction){.request = r, .umask = mask, .sink = SINK_NONE};
    buffer_init(&x->fields, FRAME_AGENT_MAX);
    size_t count = r->extract_count ? r->extract_count : 1;
    x->results = calloc(count, sizeof(*x->results));
    x->reasons = calloc(count, sizeof(*x->reasons));
    if (!x->results || !x->reasons)
        return error_oom(err, operation);
    for (size_t i = 0; i < r->extract_count; i++)
        x->results[i] = (lrun_extracted){.from = r->extract[i].from, .to = r->extract[i].to};
    return 0;
}

void extraction_free(struct extraction *x)
{
    sink_close(&x->sink);
    free(x->path);
    buffer_free(&x->fields);
    free(x->results);
    free(x->reasons);
}

static void set_error(struct extraction *x, const char *reason)
{
    lrun_extracted *result = &x->results[x->at];
    x->failed = true;
    if (result->status == LRUN_EXTRACT_ERROR)
        return; /* only the first reason matters */
    char *text = x->reasons[x->at];
    snprintf(text, sizeof(x->reasons[0]), "%s", reason);
    text_make_printable(text); /* it may come from the agent */
    result->status = LRUN_EXTRACT_ERROR;
    result->reason = text;
    result->bytes = 0;
}

void extraction_abort(struct extraction *x, const char *reason)
{
    for (; x->at < x->request->extract_count; x->at++)
        set_error(x, reason);
}

static void close_entry(struct extraction *x)
{
    sink_close(&x->sink);
    free(x->path);
    x->path = NULL;
    x->asked = x->begun = x->single = x->failed = x->in_file = false;
    x->at++;
}

/* Returns why an entry is rejected without asking the agent; NULL if the agent must be asked. */
static const char *refusal(const struct request_extract *e)
{
    if (e->from[0] == '\0')
        return "from is empty";
    if (e->to[0] == '\0')
        return "to is empty";
    if (text_path_has_dotdot(e->from))
        return "path traversal rejected";
    return NULL;
}

int extraction_next(struct extraction *x, struct agent_link *link, bool *done, lrun_error *err)
{
    for (; x->at < x->request->extract_count; close_entry(x)) {
        const struct request_extract *e = &x->request->extract[x->at];
        const char *reason = refusal(e);
        if (reason) {
            set_error(x, reason);
            continue;
        }
        x->path = text_path_join(x->request->workdir, e->from);
        buffer_clear(&x->fields);
        /* Only the agent knows which folder became the working directory, so a relative path stays
         * relative. */
        if (!x->path || !fields_add(&x->fields, "path", e->from[0] == '/' ? x->path : e->from) ||
            !fields_add_u64(&x->fields, "max", x->request->max_extract_bytes))
            return error_oom(err, operation);
        x->asked = true;
        *done = false;
        return agent_link_send(link, FRAME_EXTRACT, FRAME_SANDBOX, buffer_data(&x->fields),
                               buffer_length(&x->fields), err);
    }
    *done = true;
    return 0;
}

static int broken(lrun_error *err, const char *what)
{
    return error_set(err, LRUN_EXTRACT_FAILED, operation, "the agent broke the protocol: %s", what);
}

static int on_begin(struct extraction *x, const struct frame *f, lrun_error *err)
{
    const char *status = fields_get(f, "status"), *kind = fields_get(f, "kind");
    if (!x->asked || x->begun || !status)
        return broken(err, "BEGIN");
    if (strcmp(status, "missing") == 0) {
        x->results[x->at].status = LRUN_EXTRACT_MISSING;
        close_entry(x);
        return 0;
    }
    if (strcmp(status, "error") == 0) {
        const char *reason = fields_get(f, "reason");
        set_error(x, reason ? reason : "no reason given");
        close_entry(x);
        return 0;
    }
    if (strcmp(status, "ok") != 0 || !kind)
        return broken(err, "BEGIN");
    x->begun = true;
    x->single = strcmp(kind, "file") == 0;
    uint64_t bytes;
    if (!fields_get_u64(f, "bytes", &bytes))
        return broken(err, "BEGIN without its size");
    if (bytes > x->request->max_extract_bytes) {
        char reason[96];
        snprintf(reason, sizeof(reason), "over the limit of %" PRIu64 " bytes",
                 x->request->max_extract_bytes);
        set_error(x, reason);
        return 0;
    }
    /* Only now, so that a missing entry leaves no empty folder on the host. */
    lrun_error local = {0};
    if (sink_open(&x->sink, x->results[x->at].to, x->umask, x->request->max_extract_bytes, &local) <
        0)
        set_error(x, local.message);
    return 0;
}

/* Whether a single file has the name that was requested: the agent does not get to choose it. */
static bool is_asked_for(const struct extraction *x, const char *name)
{
    const char *slash = strrchr(x->path, '/');
    return strcmp(name, slash ? slash + 1 : x->path) == 0;
}

static int on_entry(struct extraction *x, const struct frame *f, lrun_error *err)
{
    const char *kind = fields_get(f, "kind"), *path = fields_get(f, "path");
    const char *mode_text = fields_get(f, "mode");
    if (!x->begun || x->in_file || !kind || !path || !mode_text)
        return broken(err, "ENTRY");
    bool is_file = strcmp(kind, "file") == 0;
    if (!is_file && strcmp(kind, "dir") != 0)
        return broken(err, "ENTRY of an unknown kind");
    x->in_file = is_file;
    if (x->failed)
        return 0;
    if (x->single && (!is_file || x->sink.bytes > 0 || !is_asked_for(x, path)))
        return broken(err, "an ENTRY that was not requested");
    mode_t mode = (mode_t)strtoul(mode_text, NULL, 8);
    /* Nothing depends on the time: if it makes no sense, use the present. */
    struct timespec modified = {.tv_nsec = UTIME_NOW};
    (void)fields_get_time(f, &modified);
    lrun_error local = {0};
    if ((is_file ? sink_file : sink_folder)(&x->sink, path, mode, modified, &local) < 0)
        set_error(x, local.message);
    return 0;
}

static int on_data(struct extraction *x, const struct frame *f, lrun_error *err)
{
    if (!x->in_file)
        return broken(err, "DATA outside a file");
    lrun_error local = {0};
    if (x->failed || sink_data(&x->sink, f->payload, f->length, &local) == 0)
        return 0;
    set_error(x, local.message);
    /* The agent has stated the size. More than the limit is not a large file, it is an attack. */
    if (f->length > x->sink.max - x->sink.bytes)
        return broken(err, "more DATA than the limit");
    return 0;
}

static int on_entry_end(struct extraction *x, lrun_error *err)
{
    if (!x->begun)
        return broken(err, "ENTRY_END");
    lrun_error local = {0};
    if (x->in_file && !x->failed && sink_file_end(&x->sink, &local) < 0)
        set_error(x, local.message);
    x->in_file = false;
    return 0;
}

static int on_end(struct extraction *x, const struct frame *f, lrun_error *err)
{
    const char *status = fields_get(f, "status");
    if (!x->begun || x->in_file || !status)
        return broken(err, "EXTRACT_END");
    if (strcmp(status, "ok") != 0) {
        const char *reason = fields_get(f, "reason");
        set_error(x, reason ? reason : "no reason given");
    }
    if (!x->failed)
        x->results[x->at].bytes = x->sink.bytes;
    close_entry(x);
    return 0;
}

int extraction_frame(struct extraction *x, const struct frame *f, lrun_error *err)
{
    if (x->at >= x->request->extract_count)
        return broken(err, "an unexpected frame");
    if (f->type == FRAME_DATA)
        return on_data(x, f, err);
    if (!fields_valid(f))
        return broken(err, "fields");
    switch (f->type) {
    case FRAME_EXTRACT_BEGIN:
        return on_begin(x, f, err);
    case FRAME_ENTRY:
        return on_entry(x, f, err);
    case FRAME_ENTRY_END:
        return on_entry_end(x, err);
    case FRAME_EXTRACT_END:
        return on_end(x, f, err);
    default:
        return broken(err, "an unexpected frame");
    }
}
