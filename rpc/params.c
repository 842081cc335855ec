/* SPDX-License-Identifier: MIT */
#include "params.h"

#include "json/check.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 4096 };

/* A time in ms that any clock can hold. */
#define TIME_MAX ((json_int_t)1 << 52)

static int take_text(struct params *p, enum param which, char **out, const char *field,
                     const json_t *value, lrun_error *err)
{
    p->given |= which;
    return check_copy_name(out, field, value, TEXT_MAX, err);
}

#define TEXT_PARAM(member, which)                                                                  \
    static int read_##member(void *out, const char *field, const json_t *value, lrun_error *err)   \
    {                                                                                              \
        struct params *p = out;                                                                    \
        return take_text(p, which, &p->member, field, value, err);                                 \
    }
TEXT_PARAM(run, PARAM_RUN)
TEXT_PARAM(name, PARAM_NAME)
TEXT_PARAM(path, PARAM_PATH)
TEXT_PARAM(image, PARAM_IMAGE)
TEXT_PARAM(engine, PARAM_ENGINE)
TEXT_PARAM(runtime, PARAM_RUNTIME)

#define BOOL_PARAM(member, which)                                                                  \
    static int read_##member(void *out, const char *field, const json_t *value, lrun_error *err)   \
    {                                                                                              \
        struct params *p = out;                                                                    \
        p->given |= which;                                                                         \
        return check_bool(&p->member, field, value, err);                                          \
    }
BOOL_PARAM(follow, PARAM_FOLLOW)
BOOL_PARAM(full, PARAM_FULL)
BOOL_PARAM(insecure, PARAM_INSECURE)

static int take_time(struct params *p, enum param which, int64_t *out, const char *field,
                     const json_t *value, lrun_error *err)
{
    json_int_t ms;
    if (!check_integer(&ms, value) || ms < 0 || ms > TIME_MAX)
        return check_fail(err, field, "must be an integer of milliseconds, at least 0");
    p->given |= which;
    *out = ms;
    return 0;
}

#define TIME_PARAM(member, which)                                                                  \
    static int read_##member(void *out, const char *field, const json_t *value, lrun_error *err)   \
    {                                                                                              \
        struct params *p = out;                                                                    \
        return take_time(p, which, &p->member, field, value, err);                                 \
    }
TIME_PARAM(grace_ms, PARAM_GRACE)
TIME_PARAM(since_ms, PARAM_SINCE)
TIME_PARAM(age_ms, PARAM_AGE)

#define COUNT_PARAM(member, which, max)                                                            \
    static int read_##member(void *out, const char *field, const json_t *value, lrun_error *err)   \
    {                                                                                              \
        struct params *p = out;                                                                    \
        p->given |= which;                                                                         \
        return check_positive(&p->member, field, value, max, err);                                 \
    }
COUNT_PARAM(window, PARAM_WINDOW, (uint64_t)1 << 40)
COUNT_PARAM(bytes, PARAM_BYTES, (uint64_t)1 << 40)
COUNT_PARAM(protocol, PARAM_PROTOCOL, 1000000)

static int read_call(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct params *p = out;
    if (!json_is_integer(value) && !json_is_string(value))
        return check_fail(err, field, "must be the id of a request");
    p->given |= PARAM_CALL;
    p->call = json_incref((json_t *)value);
    return 0;
}

static int read_logs(void *out, const char *field, const json_t *value, lrun_error *err)
{
    static const char *const names[] = {"lines", "base64", "none", NULL};
    struct params *p = out;
    char *name = NULL;
    if (check_choice(&name, field, value, names, err) < 0)
        return -1;
    p->given |= PARAM_LOGS;
    p->logs = LOG_LINES;
    while (strcmp(names[p->logs], name) != 0)
        p->logs++;
    free(name);
    return 0;
}

static int read_signal(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct params *p = out;
    const char *name = json_string_value(value);
    if (name && strncmp(name, "SIG", 3) == 0)
        name += 3;
    for (int n = 1; name && n < SIGRTMIN && !p->signal; n++)
        if (sigabbrev_np(n) && strcmp(sigabbrev_np(n), name) == 0)
            p->signal = n;
    p->given |= PARAM_SIGNAL;
    return p->signal ? 0 : check_fail(err, field, "must be the name of a signal, such as SIGTERM");
}

/* The message has taken it out of the line. */
static int read_request(void *out, const char *field, const json_t *value, lrun_error *err)
{
    (void)field;
    (void)value;
    (void)err;
    ((struct params *)out)->given |= PARAM_REQUEST;
    return 0;
}

static const struct named_param {
    enum param which;
    struct check_field field;
} all[] = {
    {PARAM_RUN, {"run", read_run}},
    {PARAM_CALL, {"call", read_call}},
    {PARAM_NAME, {"name", read_name}},
    {PARAM_PATH, {"path", read_path}},
    {PARAM_IMAGE, {"image", read_image}},
    {PARAM_ENGINE, {"engine", read_engine}},
    {PARAM_RUNTIME, {"runtime", read_runtime}},
    {PARAM_LOGS, {"logs", read_logs}},
    {PARAM_WINDOW, {"window", read_window}},
    {PARAM_BYTES, {"bytes", read_bytes}},
    {PARAM_SIGNAL, {"signal", read_signal}},
    {PARAM_GRACE, {"grace", read_grace_ms}},
    {PARAM_FOLLOW, {"follow", read_follow}},
    {PARAM_SINCE, {"since", read_since_ms}},
    {PARAM_AGE, {"age", read_age_ms}},
    {PARAM_FULL, {"full", read_full}},
    {PARAM_INSECURE, {"insecure", read_insecure}},
    {PARAM_PROTOCOL, {"protocol", read_protocol}},
    {PARAM_REQUEST, {"request", read_request}},
};

enum { ALL = sizeof(all) / sizeof(all[0]) };

int params_read(struct params *out, const json_t *object, unsigned allowed, unsigned required,
                lrun_error *err)
{
    struct check_field table[ALL + 1];
    size_t count = 0;
    *out = (struct params){.grace_ms = -1, .since_ms = -1, .age_ms = -1};
    for (size_t i = 0; i < ALL; i++)
        if (allowed & all[i].which)
            table[count++] = all[i].field;
    table[count] = (struct check_field){0};
    if (object && check_object(out, "params", object, table, err) < 0)
        return -1;
    for (size_t i = 0; i < ALL; i++) {
        char field[64];
        snprintf(field, sizeof(field), "params.%s", all[i].field.name);
        if (required & ~out->given & all[i].which)
            return check_fail(err, field, "is missing");
    }
    return 0;
}

void params_free(struct params *p)
{
    free(p->run);
    free(p->name);
    free(p->path);
    free(p->image);
    free(p->engine);
    free(p->runtime);
    json_decref(p->call);
    *p = (struct params){0};
}
