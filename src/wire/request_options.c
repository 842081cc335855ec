/* SPDX-License-Identifier: MIT */
/*
 * The fields in a request's `options`: how strongly to isolate the run, and what it may use.
 */
#include "wire/request.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "wire/request_fields.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MIN_MEMORY (6ull << 20) /* Docker's minimum */
#define MIN_DISK   (1ull << 20)
#define MAX_BYTES  ((uint64_t)INT64_MAX)
#define MIN_CPUS   0.01 /* the kernel's smallest quota */
#define MAX_CPUS   65536.0

static const char *const runtimes[] = {"runc", "runsc", "kata", REQUEST_KATA_SHIM, NULL};

static int read_runtime(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct request *r = out;
    return check_choice(&r->runtime, field, value, runtimes, err);
}

static int read_setup_runtime(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct request *r = out;
    return check_choice(&r->setup_runtime, field, value, runtimes, err);
}

static int read_setup_network(void *out, const char *field, const json_t *value, lrun_error *err)
{
    static const char *const names[] = {"none", REQUEST_NETWORK_DEFAULT, NULL};
    struct request *r = out;
    return check_choice(&r->setup_network, field, value, names, err);
}

static int read_engine(void *out, const char *field, const json_t *value, lrun_error *err)
{
    static const char *const names[] = {"auto", "local", "docker", NULL};
    struct request *r = out;
    return check_choice(&r->engine, field, value, names, err);
}

static int read_accelerator(void *out, const char *field, const json_t *value, lrun_error *err)
{
    static const char *const names[] = {"any", "kvm", NULL};
    struct request *r = out;
    cleanup_free char *name = NULL;
    if (check_choice(&name, field, value, names, err) < 0)
        return -1;
    r->kvm_only = strcmp(name, "kvm") == 0;
    return 0;
}

/* Sizes larger than anybody has. A schema can recognise them too, by their length. */
static bool is_beyond(const char *size)
{
    static const struct {
        const char *units;
        size_t digits;
    } most[] = {{"kK", 15}, {"mM", 12}, {"gG", 9}};
    size += strspn(size, "0");
    size_t digits = strspn(size, "0123456789");
    for (size_t i = 0; i < sizeof(most) / sizeof(most[0]); i++)
        if (size[digits] && strchr(most[i].units, size[digits]))
            return digits > most[i].digits;
    return digits > 18;
}

static int read_size(uint64_t *out, const char *field, const json_t *value, uint64_t min,
                     const char *min_text, lrun_error *err)
{
    const char *text;
    if (check_string(&text, field, value, err) < 0)
        return error_hint(err, "write it like \"512m\"");
    uint64_t bytes;
    if (!text_parse_size(text, &bytes) || is_beyond(text)) {
        check_fail(err, field, "'%.40s' is not a size", text);
        return error_hint(err, "give digits followed by k, m or g, like 512m");
    }
    if (bytes < min)
        return check_fail(err, field, "'%.40s' is below the minimum of %s", text, min_text);
    *out = bytes;
    return 0;
}

static int read_memory(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct request *r = out;
    return read_size(&r->memory_bytes, field, value, MIN_MEMORY, "6m", err);
}

static int read_disk(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct request *r = out;
    r->disk_asked = true;
    return read_size(&r->disk_bytes, field, value, MIN_DISK, "1m", err);
}

static int read_cpus(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct request *r = out;
    double cpus;
    if (json_is_string(value)) {
        /* The TypeScript light-runner accepts "0.5" too. */
        const char *text;
        if (check_string(&text, field, value, err) < 0)
            return -1;
        /* Read it as JSON: strtod() depends on the caller's locale. */
        bool plain = text[strspn(text, "0123456789.")] == '\0';
        json_t *number = plain ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
        bool is_number = json_is_number(number);
        cpus = is_number ? json_number_value(number) : 0;
        json_decref(number);
        if (!is_number) {
            check_fail(err, field, "'%.40s' is not a number of cores", text);
            return error_hint(err, "write it like 2 or 0.5");
        }
    } else if (json_is_number(value)) {
        cpus = json_number_value(value);
    } else {
        check_fail(err, field, "must be a number");
        return error_hint(err, "write it like 2 or 0.5");
    }
    if (!isfinite(cpus) || cpus < MIN_CPUS || cpus > MAX_CPUS) {
        check_fail(err, field, "is %g; it must be at least %g and at most %g", cpus, MIN_CPUS,
                   MAX_CPUS);
        return error_hint(err, "write it like 2 or 0.5");
    }
    r->cpus = cpus;
    return 0;
}

static int read_pids(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct request *r = out;
    uint64_t pids;
    if (check_positive(&pids, field, value, REQUEST_PIDS_MAX, err) < 0)
        return -1;
    r->pids = (unsigned)pids;
    return 0;
}

static int read_gpus(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct request *r = out;
    json_int_t count;
    if (check_integer(&count, value)) {
        if (count < 0)
            return check_fail(err, field, "must not be negative");
        if (asprintf(&r->gpus, "%" JSON_INTEGER_FORMAT, count) < 0) {
            r->gpus = NULL;
            return error_oom(err, REQUEST_OPERATION);
        }
        return 0;
    }
    if (check_copy_name(&r->gpus, field, value, 256, err) < 0)
        return -1;
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                  ",=.:\"-_ ";
    if (r->gpus[0] == '-' || r->gpus[strspn(r->gpus, allowed)] != '\0') {
        check_fail(err, field, "'%.80s' is not a choice of GPUs", r->gpus);
        return error_hint(err, "give all, a count, or a name as in device=0");
    }
    return 0;
}

static int read_no_new_privileges(void *out, const char *field, const json_t *value,
                                  lrun_error *err)
{
    struct request *r = out;
    return check_bool(&r->no_new_privileges, field, value, err);
}

static int read_max_extract_bytes(void *out, const char *field, const json_t *value,
                                  lrun_error *err)
{
    struct request *r = out;
    return check_positive(&r->max_extract_bytes, field, value, MAX_BYTES, err);
}

static int read_max_log_bytes(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct request *r = out;
    return check_positive(&r->max_log_bytes, field, value, MAX_BYTES, err);
}

const struct request_bit request_unenforced_names[] = {
    {"memory", REQUEST_UNENFORCED_MEMORY},
    {"cpus", REQUEST_UNENFORCED_CPUS},
    {"pids", REQUEST_UNENFORCED_PIDS},
    {0},
};

const struct request_bit request_egress_names[] = {
    {"host", REQUEST_EGRESS_HOST},
    {"metadata", REQUEST_EGRESS_METADATA},
    {0},
};

static int fail_name(const char *path, const char *name, const struct request_bit *known,
                     lrun_error *err)
{
    char all[64] = "";
    for (size_t used = 0; known->name; known++)
        used +=
            (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", used ? ", " : "", known->name);
    return check_fail(err, path, "'%.40s' is not one of %s", name, all);
}

static int read_names(unsigned *out, const char *field, const json_t *value, const char *of,
                      const struct request_bit *known, lrun_error *err)
{
    const json_t *member;
    size_t i;
    if (!json_is_array(value))
        return check_fail(err, field, "must be a list of names of %s", of);
    json_array_foreach (value, i, member) {
        const char *name;
        char path[160];
        const struct request_bit *k = known;
        snprintf(path, sizeof(path), "%s[%zu]", field, i);
        if (check_string(&name, path, member, err) < 0)
            return -1;
        while (k->name && strcmp(k->name, name) != 0)
            k++;
        if (!k->name)
            return fail_name(path, name, known, err);
        *out |= k->bit;
    }
    return 0;
}

static int read_allow_unenforced(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct request *r = out;
    return read_names(&r->allow_unenforced, field, value, "limits", request_unenforced_names, err);
}

static int read_allow_egress(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct request *r = out;
    return read_names(&r->allow_egress, field, value, "addresses", request_egress_names, err);
}

static const struct check_field option_fields[] = {
    {"runtime", read_runtime},
    {"accelerator", read_accelerator},
    {"engine", read_engine},
    {"memory", read_memory},
    {"cpus", read_cpus},
    {"pids", read_pids},
    {"gpus", read_gpus},
    {"noNewPrivileges", read_no_new_privileges},
    {"disk", read_disk},
    {"maxExtractBytes", read_max_extract_bytes},
    {"maxLogBytes", read_max_log_bytes},
    {"allowUnenforced", read_allow_unenforced},
    {"allowEgress", read_allow_egress},
    {"setupRuntime", read_setup_runtime},
    {"setupNetwork", read_setup_network},
    {0},
};

int request_read_options(void *out, const char *field, const json_t *value, lrun_error *err)
{
    return check_object(out, field, value, option_fields, err);
}
