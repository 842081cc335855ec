/* SPDX-License-Identifier: MIT */
/*
 * A result that was read keeps its document: the strings of the lrun_result point into it.
 */
#include "wire/result.h"

#include "base/cleanup.h"
#include "json/printable.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPERATION "result.parse"

enum { NAMES_MAX = 8 };

/* A list of names: as one text with commas, and as an array for the public result. */
struct names {
    char text[128];
    const char *list[NAMES_MAX + 1];
};

struct owned_result {
    lrun_result public; /* must be first: lrun_result_free() gets its address */
    struct run_result own;
    json_t *document;
    char *text;
    lrun_extracted *extracted;
    const lrun_extracted **pointers; /* to each element of `extracted` */
    struct names unenforced, checked, left_behind;
    lrun_isolation isolation;
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

/* The clock has microseconds; more digits would be noise. */
static json_t *time_to_json(double ms)
{
    if (!isfinite(ms) || ms <= 0)
        return json_real(0);
    return json_real(ms < 1e12 ? (double)(int64_t)(ms * 1000 + 0.5) / 1000 : ms);
}

static json_t *extracted_to_json(const struct run_result *r)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < r->extracted_count; i++) {
        const lrun_extracted *e = &r->extracted[i];
        bool ok = e->status == LRUN_EXTRACT_OK;
        json_t *bytes = ok ? json_integer((json_int_t)e->bytes) : NULL;
        json_t *entry =
            json_pack("{ss,ss,ss,so*,so*}", "from", e->from, "to", e->to, "status",
                      status_names[e->status], "bytes", bytes, "error", printable_json(e->reason));
        if (!entry || json_array_append_new(list, entry) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* Returns "a,b" as a list; NULL for an empty list. */
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

static json_t *setup_to_json(const lrun_setup *s)
{
    return s->runtime ? json_pack("{ss,ss*,so*}", "runtime", s->runtime, "network", s->network,
                                  "kernel", printable_json(s->kernel))
                      : NULL;
}

static json_t *usage_to_json(const lrun_usage *u)
{
    return json_pack("{sI,sI,sI,sI,sI}", "cpuMs", (json_int_t)u->cpu_ms, "userMs",
                     (json_int_t)u->user_ms, "systemMs", (json_int_t)u->system_ms,
                     "peakMemoryBytes", (json_int_t)u->peak_memory_bytes, "processes",
                     (json_int_t)u->processes);
}

static json_t *isolation_to_json(const struct run_result *r)
{
    return json_pack(
        "{so*,so*,so*,sb,so*,so*,ss*,so*}", "runtime", printable_json(r->isolation.runtime),
        "kernel", printable_json(r->isolation.kernel), "hostKernel",
        printable_json(r->isolation.host_kernel), "verified", r->isolation.verified, "checked",
        names_to_json(r->isolation.checked), "unenforced", names_to_json(r->isolation.unenforced),
        "accelerator", r->isolation.accelerator, "setup", setup_to_json(&r->isolation.setup));
}

static json_t *timings_to_json(const lrun_timings *t)
{
    return json_pack("{so,so,so,so,sb}", "prepareMs", time_to_json(t->prepare_ms), "startMs",
                     time_to_json(t->start_ms), "runMs", time_to_json(t->run_ms), "collectMs",
                     time_to_json(t->collect_ms), "warm", t->warm);
}

json_t *result_to_json(const struct run_result *r)
{
    char signal_text[16] = "";
    if (r->signal)
        signal_name(signal_text, r->signal);
    json_t *extracted = r->extracted ? extracted_to_json(r) : NULL;
    if (r->extracted && !extracted)
        return NULL;
    json_t *timeout = r->timeout_ms ? json_integer((json_int_t)r->timeout_ms) : NULL;
    json_t *ended = r->session ? json_boolean(r->session_ended) : NULL;
    return json_pack(
        "{ss,ss*,so*,sb,si,so*,sI,so*,sb,sb,sb,sb,sb,so*,so*,so,so,so}", "id", r->id ? r->id : "",
        "session", r->session, "sessionEnded", ended, "success", r->success, "exitCode",
        r->exit_code, "signal", printable_json(signal_text), "duration", (json_int_t)r->duration_ms,
        "timeout", timeout, "cancelled", r->cancelled, "timedOut", r->timed_out, "cpuTimedOut",
        r->cpu_timed_out, "oomKilled", r->oom_killed, "logTruncated", r->log_truncated, "extracted",
        extracted, "leftBehind", names_to_json(r->left_behind), "usage", usage_to_json(&r->usage),
        "isolation", isolation_to_json(r), "timings", timings_to_json(&r->timings));
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

/* For a field that was added later: older states do not have it. */
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

/* Like take_later_bool(). */
static int take_later_u64(uint64_t *out, const json_t *object, const char *field, lrun_error *err)
{
    *out = 0;
    return json_object_get(object, field) ? take_u64(out, object, field, err) : 0;
}

static int take_ms(double *out, const json_t *object, const char *field, lrun_error *err)
{
    const json_t *v = json_object_get(object, field);
    if (!json_is_number(v) || !isfinite(json_number_value(v)) || json_number_value(v) < 0)
        return lost(err, field);
    *out = json_number_value(v);
    return 0;
}

/* Borrows the string from the document. The parser rejects documents with NUL bytes. */
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
    /* One element more than needed, so that an empty list is not NULL: NULL means no extraction. */
    r->extracted = calloc(count + 1, sizeof(*r->extracted));
    if (!r->extracted)
        return error_oom(err, OPERATION);
    for (size_t i = 0; i < count; i++)
        if (take_extracted_entry(&r->extracted[i], json_array_get(list, i), err) < 0)
            return -1;
    r->own.extracted = r->extracted;
    r->own.extracted_count = count;
    return 0;
}

static int take_setup(lrun_setup *s, const json_t *setup, lrun_error *err)
{
    if (!setup)
        return 0;
    if (take_string(&s->runtime, setup, "runtime", true, err) < 0 ||
        take_string(&s->network, setup, "network", true, err) < 0 ||
        take_string(&s->kernel, setup, "kernel", false, err) < 0)
        return -1;
    if (!*s->kernel)
        s->kernel = NULL;
    return 0;
}

static int take_usage(lrun_usage *u, const json_t *usage, lrun_error *err)
{
    return take_u64(&u->cpu_ms, usage, "cpuMs", err) < 0 ||
                   take_u64(&u->user_ms, usage, "userMs", err) < 0 ||
                   take_u64(&u->system_ms, usage, "systemMs", err) < 0 ||
                   take_u64(&u->peak_memory_bytes, usage, "peakMemoryBytes", err) < 0 ||
                   take_u64(&u->processes, usage, "processes", err) < 0
               ? -1
               : 0;
}

static int take_timings(lrun_timings *t, const json_t *timings, lrun_error *err)
{
    return take_ms(&t->prepare_ms, timings, "prepareMs", err) < 0 ||
                   take_ms(&t->start_ms, timings, "startMs", err) < 0 ||
                   take_ms(&t->run_ms, timings, "runMs", err) < 0 ||
                   take_ms(&t->collect_ms, timings, "collectMs", err) < 0 ||
                   take_bool(&t->warm, timings, "warm", err) < 0
               ? -1
               : 0;
}

static int take_isolation(struct run_result *r, const json_t *isolation, lrun_error *err)
{
    if (take_string(&r->isolation.runtime, isolation, "runtime", false, err) < 0 ||
        take_string(&r->isolation.kernel, isolation, "kernel", false, err) < 0 ||
        take_string(&r->isolation.host_kernel, isolation, "hostKernel", false, err) < 0 ||
        take_bool(&r->isolation.verified, isolation, "verified", err) < 0 ||
        take_string(&r->isolation.accelerator, isolation, "accelerator", false, err) < 0)
        return -1;
    if (!*r->isolation.accelerator)
        r->isolation.accelerator = NULL;
    return take_setup(&r->isolation.setup, json_object_get(isolation, "setup"), err);
}

/* Reads a list of names. *out is their text, or NULL if there are none. */
static int take_names(const char **out, struct names *names, const json_t *object,
                      const char *field, lrun_error *err)
{
    const json_t *list = json_object_get(object, field), *name;
    size_t i, used = 0;
    if (list && (!json_is_array(list) || json_array_size(list) > NAMES_MAX))
        return lost(err, field);
    json_array_foreach (list, i, name) {
        const char *text = json_string_value(name);
        if (!text || strchr(text, ',') || strlen(text) + 2 > sizeof(names->text) - used)
            return lost(err, field);
        used += (size_t)snprintf(names->text + used, sizeof(names->text) - used, "%s%s",
                                 used ? "," : "", text);
        names->list[i] = text;
    }
    *out = used ? names->text : NULL;
    return 0;
}

static int take_lists(struct owned_result *r, lrun_error *err)
{
    const json_t *isolation = json_object_get(r->document, "isolation");
    return take_names(&r->own.isolation.unenforced, &r->unenforced, isolation, "unenforced", err) <
                       0 ||
                   take_names(&r->own.isolation.checked, &r->checked, isolation, "checked", err) <
                       0 ||
                   take_names(&r->own.left_behind, &r->left_behind, r->document, "leftBehind",
                              err) < 0
               ? -1
               : 0;
}

static int take_all(struct owned_result *owned, lrun_error *err)
{
    struct run_result *r = &owned->own;
    const json_t *d = owned->document;
    uint64_t code;
    if (take_string(&r->id, d, "id", true, err) < 0 ||
        take_string(&r->session, d, "session", false, err) < 0 ||
        take_later_bool(&r->session_ended, d, "sessionEnded", err) < 0 ||
        take_bool(&r->success, d, "success", err) < 0 || take_u64(&code, d, "exitCode", err) < 0 ||
        take_signal(&r->signal, d, err) < 0 || take_u64(&r->duration_ms, d, "duration", err) < 0 ||
        take_later_u64(&r->timeout_ms, d, "timeout", err) < 0 ||
        take_bool(&r->cancelled, d, "cancelled", err) < 0 ||
        take_bool(&r->timed_out, d, "timedOut", err) < 0 ||
        take_later_bool(&r->cpu_timed_out, d, "cpuTimedOut", err) < 0 ||
        take_bool(&r->oom_killed, d, "oomKilled", err) < 0 ||
        take_bool(&r->log_truncated, d, "logTruncated", err) < 0)
        return -1;
    if (!*r->session)
        r->session = NULL;
    if (code > 255)
        return lost(err, "exitCode");
    r->exit_code = (int)code;
    /* `success` follows from the other fields. Reject a result that contradicts them. */
    if (r->success != (code == 0 && !r->cancelled && !r->timed_out && !r->cpu_timed_out))
        return lost(err, "success");
    return take_extracted(owned, err) < 0 || take_lists(owned, err) < 0 ||
                   take_usage(&r->usage, json_object_get(d, "usage"), err) < 0 ||
                   take_isolation(r, json_object_get(d, "isolation"), err) < 0 ||
                   take_timings(&r->timings, json_object_get(d, "timings"), err) < 0
               ? -1
               : 0;
}

/* Fills the public result with pointers into `own`. */
static int publish(struct owned_result *owned, lrun_error *err)
{
    const struct run_result *r = &owned->own;
    owned->isolation = (lrun_isolation){
        .runtime = r->isolation.runtime,
        .kernel = r->isolation.kernel,
        .host_kernel = r->isolation.host_kernel,
        .verified = r->isolation.verified,
        .checked = owned->checked.list,
        .unenforced = owned->unenforced.list,
        .accelerator = r->isolation.accelerator,
        .setup = r->isolation.setup.runtime ? &r->isolation.setup : NULL,
    };
    owned->public = (lrun_result){
        .success = r->success,
        .exit_code = r->exit_code,
        .signal = r->signal,
        .cancelled = r->cancelled,
        .timed_out = r->timed_out,
        .cpu_timed_out = r->cpu_timed_out,
        .oom_killed = r->oom_killed,
        .log_truncated = r->log_truncated,
        .duration_ms = r->duration_ms,
        .timeout_ms = r->timeout_ms,
        .id = r->id,
        .usage = &r->usage,
        .isolation = &owned->isolation,
        .timings = &r->timings,
        .left_behind = owned->left_behind.list,
        .session = r->session,
        .session_ended = r->session_ended,
    };
    if (!r->extracted)
        return 0;
    owned->pointers = calloc(r->extracted_count + 1, sizeof(owned->pointers[0]));
    if (!owned->pointers)
        return error_oom(err, OPERATION);
    for (size_t i = 0; i < r->extracted_count; i++)
        owned->pointers[i] = &r->extracted[i];
    owned->public.extracted = owned->pointers;
    owned->public.extracted_count = r->extracted_count;
    return 0;
}

static void owned_free(struct owned_result **r)
{
    if (!*r)
        return;
    json_decref((*r)->document);
    free((*r)->text);
    free((*r)->extracted);
    free((*r)->pointers);
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
    if (take_all(r, err) < 0 || publish(r, err) < 0)
        return -1;
    /* Written again, so that the printed text holds the fields of the contract and no others. */
    json_t *document = result_to_json(&r->own);
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
