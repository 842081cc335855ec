/* SPDX-License-Identifier: MIT */
/*
 * A result that came over the wire keeps its document: the strings of the lrun_result point into it.
 */
#include "wire/result.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPERATION "result.parse"

struct owned_result {
    lrun_result public; /* first: lrun_result_free() is given its address */
    json_t *document;
    char *text;
    lrun_extracted *extracted;
    char unenforced[64], checked[128], left_behind[64];
};

static const char *const status_names[] = {
    [LRUN_EXTRACT_OK] = "ok",
    [LRUN_EXTRACT_MISSING] = "missing",
    [LRUN_EXTRACT_ERROR] = "error",
};

static void signal_name(char out[16], int number)
{
    const char *name = sigabbrev_np(number);
    if (name)
        snprintf(out, 16, "SIG%s", name);
    else
        snprintf(out, 16, "SIG%d", number);
}

/* ------------------------------------------------------------- writing */

/* Microseconds are what the clock gives; more digits would be noise. */
static json_t *time_to_json(double ms)
{
    if (!isfinite(ms) || ms <= 0)
        return json_real(0);
    return json_real(ms < 1e12 ? (double)(int64_t)(ms * 1000 + 0.5) / 1000 : ms);
}

/*
 * A string, or NULL for an empty one, which is then left out. Reasons, kernel names and messages
 * quote text out of a sandbox or a file system: it need not be UTF-8, it may speak to a terminal, and a
 * message may be cut within a character. None of this may cost the whole document, or get out of it.
 */
static json_t *text_to_json(const char *text)
{
    if (!text || !*text)
        return NULL;
    cleanup_free char *clean = strdup(text);
    if (!clean)
        return NULL;
    text_make_printable(clean);
    return json_string(clean);
}

static json_t *extracted_to_json(const lrun_result *r)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < r->extracted_count; i++) {
        const lrun_extracted *e = &r->extracted[i];
        bool ok = e->status == LRUN_EXTRACT_OK;
        json_t *bytes = ok ? json_integer((json_int_t)e->bytes) : NULL;
        json_t *entry =
            json_pack("{ss,ss,ss,so*,so*}", "from", e->from, "to", e->to, "status",
                      status_names[e->status], "bytes", bytes, "error", text_to_json(e->reason));
        if (!entry || json_array_append_new(list, entry) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* "a,b" as a list; NULL for none. */
static json_t *names_to_json(const char *names)
{
    json_t *list = names && *names ? json_array() : NULL;
    for (const char *at = names; list && *at; at += *at == ',') {
        size_t length = strcspn(at, ",");
        if (json_array_append_new(list, json_stringn(at, length)) < 0) {
            json_decref(list);
            return NULL;
        }
        at += length;
    }
    return list;
}

static json_t *setup_to_json(const lrun_result *r)
{
    return r->setup.runtime ? json_pack("{ss,ss*,so*}", "runtime", r->setup.runtime, "network",
                                        r->setup.network, "kernel", text_to_json(r->setup.kernel))
                            : NULL;
}

json_t *result_to_json(const lrun_result *r)
{
    char signal_text[16] = "";
    if (r->signal)
        signal_name(signal_text, r->signal);
    json_t *extracted = r->extracted ? extracted_to_json(r) : NULL;
    if (r->extracted && !extracted)
        return NULL;
    return json_pack(
        "{ss,sb,si,so*,sI,sb,sb,sb,sb,sb,so*,so*,s{sI,sI,sI,sI,sI},s{so*,so*,so*,sb,so*,so*,ss*,so*"
        "},s{so,"
        "so,so,so}}",
        "id", r->id ? r->id : "", "success", r->success, "exitCode", r->exit_code, "signal",
        text_to_json(signal_text), "duration", (json_int_t)r->duration_ms, "cancelled",
        r->cancelled, "timedOut", r->timed_out, "cpuTimedOut", r->cpu_timed_out, "oomKilled",
        r->oom_killed, "logTruncated", r->log_truncated, "extracted", extracted, "leftBehind",
        names_to_json(r->left_behind), "usage", "cpuMs", (json_int_t)r->usage.cpu_ms, "userMs",
        (json_int_t)r->usage.user_ms, "systemMs", (json_int_t)r->usage.system_ms, "peakMemoryBytes",
        (json_int_t)r->usage.peak_memory_bytes, "processes", (json_int_t)r->usage.processes,
        "isolation", "runtime", text_to_json(r->isolation.runtime), "kernel",
        text_to_json(r->isolation.kernel), "hostKernel", text_to_json(r->isolation.host_kernel),
        "verified", r->isolation.verified, "checked", names_to_json(r->checked), "unenforced",
        names_to_json(r->unenforced), "accelerator", r->accelerator, "setup", setup_to_json(r),
        "timings", "prepareMs", time_to_json(r->timings.prepare_ms), "startMs",
        time_to_json(r->timings.start_ms), "runMs", time_to_json(r->timings.run_ms), "collectMs",
        time_to_json(r->timings.collect_ms));
}

/* ------------------------------------------------------------- reading */

static int lost(lrun_error *err, const char *field)
{
    return error_set(err, LRUN_SUPERVISOR_LOST, OPERATION,
                     "the supervisor's result has no usable field '%s'", field);
}

static int take_bool(bool *out, const json_t *object, const char *field, lrun_error *err)
{
    const json_t *v = json_object_get(object, field);
    if (!json_is_boolean(v))
        return lost(err, field);
    *out = json_is_true(v);
    return 0;
}

/* States of before it was there do not have it. */
static int take_later_bool(bool *out, const json_t *object, const char *field, lrun_error *err)
{
    *out = false;
    return json_object_get(object, field) ? take_bool(out, object, field, err) : 0;
}

static int take_u64(uint64_t *out, const json_t *object, const char *field, lrun_error *err)
{
    const json_t *v = json_object_get(object, field);
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return lost(err, field);
    *out = (uint64_t)json_integer_value(v);
    return 0;
}

static int take_ms(double *out, const json_t *object, const char *field, lrun_error *err)
{
    const json_t *v = json_object_get(object, field);
    if (!json_is_number(v) || !isfinite(json_number_value(v)) || json_number_value(v) < 0)
        return lost(err, field);
    *out = json_number_value(v);
    return 0;
}

/* Borrowed from the document, which refuses NUL bytes as a whole. */
static int take_string(const char **out, const json_t *object, const char *field, bool required,
                       lrun_error *err)
{
    const json_t *v = json_object_get(object, field);
    *out = "";
    if (!v && !required)
        return 0;
    if (!json_is_string(v))
        return lost(err, field);
    *out = json_string_value(v);
    return 0;
}

static int take_signal(int *out, const json_t *document, lrun_error *err)
{
    const char *name;
    if (take_string(&name, document, "signal", false, err) < 0)
        return -1;
    *out = 0;
    if (!*name)
        return 0;
    for (int i = 1; i < NSIG; i++) {
        char text[16];
        signal_name(text, i);
        if (strcmp(text, name) == 0) {
            *out = i;
            return 0;
        }
    }
    return lost(err, "signal");
}

static int take_extracted_entry(lrun_extracted *e, const json_t *object, lrun_error *err)
{
    const char *status, *reason;
    if (take_string(&e->from, object, "from", true, err) < 0 ||
        take_string(&e->to, object, "to", true, err) < 0 ||
        take_string(&status, object, "status", true, err) < 0 ||
        take_string(&reason, object, "error", false, err) < 0)
        return -1;
    size_t i = 0;
    while (i <= LRUN_EXTRACT_ERROR && strcmp(status_names[i], status) != 0)
        i++;
    if (i > LRUN_EXTRACT_ERROR)
        return lost(err, "extracted.status");
    e->status = (lrun_extract_status)i;
    if (e->status == LRUN_EXTRACT_OK)
        return take_u64(&e->bytes, object, "bytes", err);
    if (e->status == LRUN_EXTRACT_ERROR)
        e->reason = *reason ? reason : "unknown";
    return 0;
}

static int take_extracted(struct owned_result *r, lrun_error *err)
{
    const json_t *list = json_object_get(r->document, "extracted");
    if (!list)
        return 0;
    if (!json_is_array(list))
        return lost(err, "extracted");
    size_t count = json_array_size(list);
    /* One more than needed, so that an empty list is told apart from none. */
    r->extracted = calloc(count + 1, sizeof(*r->extracted));
    if (!r->extracted)
        return error_oom(err, OPERATION);
    for (size_t i = 0; i < count; i++)
        if (take_extracted_entry(&r->extracted[i], json_array_get(list, i), err) < 0)
            return -1;
    r->public.extracted = r->extracted;
    r->public.extracted_count = count;
    return 0;
}

static int take_setup(lrun_result *r, const json_t *setup, lrun_error *err)
{
    if (!setup)
        return 0;
    if (take_string(&r->setup.runtime, setup, "runtime", true, err) < 0 ||
        take_string(&r->setup.network, setup, "network", true, err) < 0 ||
        take_string(&r->setup.kernel, setup, "kernel", false, err) < 0)
        return -1;
    if (!*r->setup.kernel)
        r->setup.kernel = NULL;
    return 0;
}

static int take_nested(lrun_result *r, const json_t *document, lrun_error *err)
{
    const json_t *usage = json_object_get(document, "usage");
    const json_t *isolation = json_object_get(document, "isolation");
    const json_t *timings = json_object_get(document, "timings");
    if (take_u64(&r->usage.cpu_ms, usage, "cpuMs", err) < 0 ||
        take_u64(&r->usage.user_ms, usage, "userMs", err) < 0 ||
        take_u64(&r->usage.system_ms, usage, "systemMs", err) < 0 ||
        take_u64(&r->usage.peak_memory_bytes, usage, "peakMemoryBytes", err) < 0 ||
        take_u64(&r->usage.processes, usage, "processes", err) < 0 ||
        take_string(&r->isolation.runtime, isolation, "runtime", false, err) < 0 ||
        take_string(&r->isolation.kernel, isolation, "kernel", false, err) < 0 ||
        take_string(&r->isolation.host_kernel, isolation, "hostKernel", false, err) < 0 ||
        take_bool(&r->isolation.verified, isolation, "verified", err) < 0 ||
        take_string(&r->accelerator, isolation, "accelerator", false, err) < 0 ||
        take_setup(r, json_object_get(isolation, "setup"), err) < 0)
        return -1;
    if (!*r->accelerator)
        r->accelerator = NULL;
    if (take_ms(&r->timings.prepare_ms, timings, "prepareMs", err) < 0 ||
        take_ms(&r->timings.start_ms, timings, "startMs", err) < 0 ||
        take_ms(&r->timings.run_ms, timings, "runMs", err) < 0 ||
        take_ms(&r->timings.collect_ms, timings, "collectMs", err) < 0)
        return -1;
    return 0;
}

/* A list of names becomes one text with commas, *out; NULL if there is none. `room` is where it is kept. */
static int take_names(const char **out, char *room, size_t size, const json_t *object,
                      const char *field, lrun_error *err)
{
    const json_t *list = json_object_get(object, field), *name;
    size_t i, used = 0;
    if (!list)
        return 0;
    if (!json_is_array(list))
        return lost(err, field);
    json_array_foreach (list, i, name) {
        const char *text = json_string_value(name);
        if (!text || strchr(text, ',') || strlen(text) + 2 > size - used)
            return lost(err, field);
        used += (size_t)snprintf(room + used, size - used, "%s%s", used ? "," : "", text);
    }
    *out = used ? room : NULL;
    return 0;
}

static int take_lists(struct owned_result *r, lrun_error *err)
{
    const json_t *isolation = json_object_get(r->document, "isolation");
    if (take_names(&r->public.unenforced, r->unenforced, sizeof(r->unenforced), isolation,
                   "unenforced", err) < 0)
        return -1;
    if (take_names(&r->public.left_behind, r->left_behind, sizeof(r->left_behind), r->document,
                   "leftBehind", err) < 0)
        return -1;
    return take_names(&r->public.checked, r->checked, sizeof(r->checked), isolation, "checked",
                      err);
}

static int take_all(struct owned_result *owned, lrun_error *err)
{
    lrun_result *r = &owned->public;
    const json_t *d = owned->document;
    uint64_t code;
    if (take_string(&r->id, d, "id", true, err) < 0 ||
        take_bool(&r->success, d, "success", err) < 0 || take_u64(&code, d, "exitCode", err) < 0 ||
        take_signal(&r->signal, d, err) < 0 || take_u64(&r->duration_ms, d, "duration", err) < 0 ||
        take_bool(&r->cancelled, d, "cancelled", err) < 0 ||
        take_bool(&r->timed_out, d, "timedOut", err) < 0 ||
        take_later_bool(&r->cpu_timed_out, d, "cpuTimedOut", err) < 0 ||
        take_bool(&r->oom_killed, d, "oomKilled", err) < 0 ||
        take_bool(&r->log_truncated, d, "logTruncated", err) < 0)
        return -1;
    if (code > 255)
        return lost(err, "exitCode");
    r->exit_code = (int)code;
    /* `success` follows from the others. A supervisor that says otherwise is not believed. */
    if (r->success != (code == 0 && !r->cancelled && !r->timed_out && !r->cpu_timed_out))
        return lost(err, "success");
    if (take_extracted(owned, err) < 0 || take_lists(owned, err) < 0)
        return -1;
    return take_nested(r, d, err);
}

static void owned_free(struct owned_result **r)
{
    if (!*r)
        return;
    json_decref((*r)->document);
    free((*r)->text);
    free((*r)->extracted);
    free(*r);
    *r = NULL;
}

int result_from_json(lrun_result **out, const char *json, size_t length, lrun_error *err)
{
    __attribute__((cleanup(owned_free))) struct owned_result *r = calloc(1, sizeof(*r));
    if (!r)
        return error_oom(err, OPERATION);
    json_error_t e;
    r->document = json_loadb(json, length, JSON_REJECT_DUPLICATES, &e);
    if (!json_is_object(r->document))
        return error_set(err, LRUN_SUPERVISOR_LOST, OPERATION,
                         "the supervisor's result is not JSON: %s",
                         r->document ? "no object" : e.text);
    if (take_all(r, err) < 0)
        return -1;
    /* Written anew, so that what is printed holds the fields of the contract and no others. */
    json_t *document = result_to_json(&r->public);
    r->text = document ? json_dumps(document, JSON_COMPACT | JSON_REAL_PRECISION(10)) : NULL;
    json_decref(document);
    if (!r->text)
        return error_oom(err, OPERATION);
    *out = &steal_ptr(r)->public;
    return 0;
}

const char *lrun_result_json(const lrun_result *result)
{
    return result ? ((const struct owned_result *)result)->text : "null";
}

void lrun_result_free(lrun_result *result)
{
    struct owned_result *owned = (struct owned_result *)result;
    owned_free(&owned);
}

/* -------------------------------------------------------------- errors */

json_t *error_to_json(const lrun_error *e)
{
    return json_pack("{ss,so*,so*,so*,so*}", "code", lrun_code_name(e->code), "message",
                     text_to_json(e->message), "operation", text_to_json(e->operation), "container",
                     text_to_json(e->container), "hint", text_to_json(e->hint));
}

static void copy_field(char *to, size_t size, const json_t *object, const char *field)
{
    const char *text = json_string_value(json_object_get(object, field));
    snprintf(to, size, "%s", text ? text : "");
    text_make_printable(to);
}

void error_from_json(lrun_error *out, const char *json, size_t length)
{
    *out = (lrun_error){.code = LRUN_SUPERVISOR_LOST};
    json_t *o = json_loadb(json, length, 0, NULL);
    const char *code = json_string_value(json_object_get(o, "code"));
    if (!code) {
        error_set(out, LRUN_SUPERVISOR_LOST, "error.parse",
                  "the supervisor reported an error that cannot be read");
    } else {
        out->code = error_code_from_name(code);
        if (out->code == LRUN_OK)
            out->code = LRUN_INTERNAL;
        copy_field(out->message, sizeof(out->message), o, "message");
        copy_field(out->operation, sizeof(out->operation), o, "operation");
        copy_field(out->container, sizeof(out->container), o, "container");
        copy_field(out->hint, sizeof(out->hint), o, "hint");
    }
    json_decref(o);
}
