/* SPDX-License-Identifier: MIT */
#include "tier/gpu/cdi.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <stdarg.h>
#include <string.h>

#define OPERATION "cdi.select"

/* The pseudo device that stands for all devices of its kind. */
#define NAME_ALL "all"

struct selection {
    const struct cdi *cdi;
    size_t *chosen;
    size_t count;
};

/* The error also lists the devices that exist. */
__attribute__((format(printf, 3, 4))) static int fail_missing(const struct cdi *c, lrun_error *err,
                                                              const char *format, ...)
{
    char text[300], list[400];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    cdi_list(c, list, sizeof(list));
    error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "gpus: %s; there is: %s", text, list);
    return error_hint(
        err, "choose of these; if one is missing, write the spec anew, " CDI_HINT_GENERATE);
}

static void choose(struct selection *s, size_t device)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->chosen[i] == device)
            return;
    s->chosen[s->count++] = device;
}

/* Specs name a GPU by its index and again by its UUID, with the same edits. */
static bool is_alias(const struct cdi *c, size_t device)
{
    const struct cdi_device *d = &c->devices[device];
    for (size_t i = 0; i < device; i++)
        if (strcmp(c->devices[i].kind, d->kind) == 0 && strcmp(c->devices[i].name, NAME_ALL) != 0 &&
            c->devices[i].spec == d->spec && json_equal(c->devices[i].edits, d->edits))
            return true;
    return false;
}

static bool kind_is_chosen(const struct selection *s, const char *kind)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->cdi->devices[s->chosen[i]].kind, kind) == 0)
            return true;
    return false;
}

/* Chooses the first `limit` GPUs, each only once. */
static void choose_first(struct selection *s, uint64_t limit)
{
    for (size_t i = 0; i < s->cdi->device_count && s->count < limit; i++)
        if (strcmp(s->cdi->devices[i].name, NAME_ALL) != 0 && !is_alias(s->cdi, i))
            choose(s, i);
}

static void choose_all(struct selection *s)
{
    choose_first(s, UINT64_MAX);
    /* Some specs (WSL's, for example) contain nothing but "all". */
    for (size_t i = 0; i < s->cdi->device_count; i++)
        if (!kind_is_chosen(s, s->cdi->devices[i].kind))
            choose(s, i);
}

static int choose_count(struct selection *s, uint64_t wanted, lrun_error *err)
{
    choose_first(s, wanted);
    if (s->count == wanted)
        return 0;
    return fail_missing(s->cdi, err, "%llu were asked for, %zu can be counted",
                        (unsigned long long)wanted, s->count);
}

static int choose_name(struct selection *s, const char *name, lrun_error *err)
{
    const struct cdi *c = s->cdi;
    size_t found = SIZE_MAX;
    for (size_t i = 0; i < c->device_count; i++) {
        if (strcmp(c->devices[i].name, name) != 0)
            continue;
        if (found != SIZE_MAX)
            return fail_missing(c, err, "'%s' is the name of more than one", name);
        found = i;
    }
    if (found == SIZE_MAX)
        return fail_missing(c, err, "'%s' is none", name);
    choose(s, found);
    return 0;
}

static int choose_names(struct selection *s, char *names, lrun_error *err)
{
    for (char *name; (name = strsep(&names, ","));)
        if (choose_name(s, name, err) < 0)
            return -1;
    return 0;
}

static int fail_value(const char *gpus, lrun_error *err)
{
    error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "gpus: '%s' is not a choice of GPUs", gpus);
    return error_hint(err, "give all, a count, or names as in device=0 or 0,1");
}

/* Docker's own forms are device=LIST and count=N, also in quotes. */
static int choose_value(struct selection *s, char *value, lrun_error *err)
{
    size_t length = strlen(value);
    if (length >= 2 && value[0] == '"' && value[length - 1] == '"') {
        value[length - 1] = '\0';
        value++;
    }
    bool named = strncmp(value, "device=", 7) == 0, counted = strncmp(value, "count=", 6) == 0;
    value += named ? 7 : counted ? 6 : 0;
    uint64_t count;
    if (*value == '\0' || strpbrk(value, "=\" "))
        return fail_value(value, err);
    if (strcmp(value, NAME_ALL) == 0) {
        choose_all(s);
        return 0;
    }
    if (!named && text_parse_u64(value, &count))
        return choose_count(s, count, err);
    return counted ? fail_value(value, err) : choose_names(s, value, err);
}

int cdi_select(const struct cdi *c, const char *gpus, size_t **out, size_t *count, lrun_error *err)
{
    *out = NULL;
    *count = 0;
    /* No GPU is wanted, so none needs to exist. */
    if (strcmp(gpus, "0") == 0)
        return 0;
    if (c->device_count == 0) {
        error_set(err, LRUN_START_FAILED, OPERATION,
                  "gpus: no CDI spec describes a GPU of this machine");
        return error_hint(err, "write one, " CDI_HINT_GENERATE);
    }
    cleanup_free char *value = strdup(gpus);
    cleanup_free size_t *chosen = calloc(c->device_count, sizeof(*chosen));
    if (!value || !chosen)
        return error_oom(err, OPERATION);
    struct selection s = {.cdi = c, .chosen = chosen};
    if (choose_value(&s, value, err) < 0)
        return -1;
    *count = s.count;
    *out = steal_ptr(chosen);
    return 0;
}
