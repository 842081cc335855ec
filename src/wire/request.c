/* SPDX-License-Identifier: MIT */
/*
 * Reads a request. Each field has one row in a table, with the function that checks it. A field
 * that has no row is unknown.
 */
#include "wire/request.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "json/check.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPERATION "request.check"

enum {
    MAX_IMAGE = 4096,
    MAX_PATH = 4095,
    MAX_STRING = 128 * 1024 - 1, /* the kernel's limit on one argument or variable */
    MAX_ENV = 1024 * 1024,       /* all variables together */
    MAX_ARGV_WORDS = 65536,
    MAX_ARGV = 1024 * 1024, /* all words together */
    MAX_EXTRACT = 1024,
    MAX_EXTRACT_BYTES = 1024 * 1024, /* all paths together: they come back in one RESULT frame */
    MAX_NETWORKS = 64,
    MAX_IGNORE = 1024,
    MAX_NAME = 255, /* a file's name, without its folder */
    MAX_STEPS = 1024,
};

#define MIN_MEMORY  (6ull << 20) /* Docker's minimum */
#define MIN_DISK    (1ull << 20)
#define MAX_BYTES   ((uint64_t)INT64_MAX)
#define MAX_TIMEOUT (3650ull * 24 * 3600 * 1000)
#define MIN_CPUS    0.01 /* the kernel's smallest quota */
#define MAX_CPUS    65536.0

/* -------------------------------------------------------------- options */

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
            return error_oom(err, OPERATION);
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

/* Names that stand for bits. */
struct named_bit {
    const char *name;
    unsigned bit;
};

static const struct named_bit unenforced_names[] = {
    {"memory", REQUEST_UNENFORCED_MEMORY},
    {"cpus", REQUEST_UNENFORCED_CPUS},
    {"pids", REQUEST_UNENFORCED_PIDS},
    {0},
};

static const struct named_bit egress_names[] = {
    {"host", REQUEST_EGRESS_HOST},
    {"metadata", REQUEST_EGRESS_METADATA},
    {0},
};

static int fail_name(const char *path, const char *name, const struct named_bit *known,
                     lrun_error *err)
{
    char all[64] = "";
    for (size_t used = 0; known->name; known++)
        used +=
            (size_t)snprintf(all + used, sizeof(all) - used, "%s%s", used ? ", " : "", known->name);
    return check_fail(err, path, "'%.40s' is not one of %s", name, all);
}

static int read_names(unsigned *out, const char *field, const json_t *value, const char *of,
                      const struct named_bit *known, lrun_error *err)
{
    const json_t *member;
    size_t i;
    if (!json_is_array(value))
        return check_fail(err, field, "must be a list of names of %s", of);
    json_array_foreach (value, i, member) {
        const char *name;
        char path[160];
        const struct named_bit *k = known;
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
    return read_names(&r->allow_unenforced, field, value, "limits", unenforced_names, err);
}

static int read_allow_egress(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct request *r = out;
    return read_names(&r->allow_egress, field, value, "addresses", egress_names, err);
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

static int read_options(void *out, const char *field, const json_t *value, lrun_error *err)
{
    return check_object(out, field, value, option_fields, err);
}

/* -------------------------------------------------------------- request */

static int read_image(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct request *r = out;
    if (check_copy_name(&r->image, field, value, MAX_IMAGE, err) < 0)
        return -1;
    /* The name becomes an argument of other programs. With a leading dash it would be an option. */
    if (r->image[0] == '-')
        return check_fail(err, field, "'%.80s' must not begin with '-'", r->image);
    for (const char *c = r->image; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f)
            return check_fail(err, field, "must not contain blanks or control characters");
    return 0;
}

static int read_entrypoint(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct request *r = out;
    if (r->entrypoint)
        return check_fail(err, field, "'entrypoint' and its older name 'command' are both given");
    if (check_copy_string(&r->entrypoint, field, value, err) < 0)
        return -1;
    size_t length = strlen(r->entrypoint);
    if (length > MAX_STRING)
        return check_fail(err, field, "is %zu bytes long; the kernel takes at most %d", length,
                          MAX_STRING);
    return 0;
}

static int read_argv(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct request *r = out;
    if (check_copy_strings(&r->argv, field, value, MAX_ARGV_WORDS, err) < 0)
        return -1;
    if (!r->argv || !r->argv[0][0])
        return check_fail(err, field,
                          r->argv ? "the first word is empty; it must name a program"
                                  : "is empty; it must contain at least one word");
    size_t total = 0;
    for (size_t i = 0; r->argv[i]; i++) {
        size_t length = strlen(r->argv[i]);
        if (length > MAX_STRING)
            return check_fail(err, field, "word %zu is %zu bytes long; the kernel takes at most %d",
                              i, length, MAX_STRING);
        total += length + 1;
        if (total > MAX_ARGV)
            return check_fail(err, field, "is over the limit of %d bytes in all", MAX_ARGV);
    }
    return 0;
}

static int read_run(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct request *r = out;
    if (check_copy_strings(&r->run, field, value, MAX_STEPS, err) < 0)
        return -1;
    for (size_t i = 0; r->run && r->run[i]; i++)
        if (strlen(r->run[i]) > MAX_STRING)
            return check_fail(err, field, "step %zu is longer than %d bytes", i, MAX_STRING);
    return 0;
}

static int read_dir(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct request *r = out;
    return check_copy_name(&r->dir, field, value, MAX_PATH, err);
}

static const char *const ignored_names[] = {".git",   "node_modules", "dist",     "build", ".next",
                                            ".cache", ".turbo",       "coverage", NULL};

static int copy_names(char ***out, const char *const *names)
{
    size_t count = 0;
    while (names[count])
        count++;
    *out = calloc(count + 1, sizeof(**out));
    for (size_t i = 0; *out && i < count; i++)
        if (!((*out)[i] = strdup(names[i])))
            return -1;
    return *out ? 0 : -1;
}

static int read_ignore(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct request *r = out;
    static const char *const none[] = {NULL};
    if (check_copy_strings(&r->ignore, field, value, MAX_IGNORE, err) < 0)
        return -1;
    if (!r->ignore && copy_names(&r->ignore, none) < 0)
        return error_oom(err, OPERATION);
    for (size_t i = 0; r->ignore[i]; i++) {
        const char *name = r->ignore[i];
        char path[160];
        snprintf(path, sizeof(path), "%s[%zu]", field, i);
        if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
            check_fail(err, path, "'%.80s' is not the name of a file or folder", name);
            return error_hint(err, "give a name without a slash; it is left out at any depth");
        }
        if (strlen(name) > MAX_NAME)
            return check_fail(err, path, "is %zu bytes long; at most %d are allowed", strlen(name),
                              MAX_NAME);
    }
    return 0;
}

static int read_links(void *out, const char *field, const json_t *value, lrun_error *err)
{
    static const char *const names[] = {"skip", "inside", NULL};
    struct request *r = out;
    cleanup_free char *name = NULL;
    if (check_choice(&name, field, value, names, err) < 0)
        return -1;
    r->links_inside = strcmp(name, "inside") == 0;
    return 0;
}

/* The JSON text of the input. request_text.c checked it when the document was read. */
static int read_input(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct request *r = out;
    return check_copy_string(&r->input, field, value, err);
}

static int read_timeout(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct request *r = out;
    if (check_positive(&r->timeout_ms, field, value, MAX_TIMEOUT, err) < 0)
        return error_hint(err, "give it in milliseconds");
    return 0;
}

static int read_cpu_timeout(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct request *r = out;
    if (check_positive(&r->cpu_timeout_ms, field, value, MAX_TIMEOUT, err) < 0)
        return error_hint(err, "give it in milliseconds of CPU time");
    return 0;
}

static bool is_network_name(const char *s)
{
    size_t length = strlen(s);
    if (length == 0 || length > 255 || s[0] == '-' || s[0] == '.')
        return false;
    return s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")] ==
           '\0';
}

/* Returns whether a sandbox can ask a server at this address: on loopback there is only the sandbox
 * itself. */
static bool is_server_address(const char *text)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, text, &v4) == 1) {
        uint32_t first = ntohl(v4.s_addr) >> 24;
        return first != 0 && first != 127 && first < 224;
    }
    return inet_pton(AF_INET6, text, &v6) == 1 && !IN6_IS_ADDR_LOOPBACK(&v6) &&
           !IN6_IS_ADDR_UNSPECIFIED(&v6) && !IN6_IS_ADDR_MULTICAST(&v6) &&
           !IN6_IS_ADDR_LINKLOCAL(&v6) && !IN6_IS_ADDR_V4MAPPED(&v6);
}

static int read_dns(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct request *r = out;
    if (check_copy_strings(&r->dns, field, value, REQUEST_DNS_MAX, err) < 0)
        return -1;
    for (char **server = r->dns; server && *server; server++)
        if (!is_server_address(*server))
            return check_fail(err, field,
                              "'%.80s' is not the address of a name server that a sandbox can ask",
                              *server);
    return 0;
}

static int read_networks(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct request *r = out;
    if (json_is_string(value)) {
        json_t *list = json_pack("[O]", value);
        int rc = list ? check_copy_strings(&r->networks, field, list, 1, err)
                      : error_oom(err, OPERATION);
        json_decref(list);
        if (rc < 0)
            return -1;
    } else if (check_copy_strings(&r->networks, field, value, MAX_NETWORKS, err) < 0) {
        return -1;
    }
    size_t count = 0;
    bool none = false;
    for (; r->networks && r->networks[count]; count++) {
        if (!is_network_name(r->networks[count]))
            return check_fail(err, field, "'%.80s' is not the name of a network",
                              r->networks[count]);
        none = none || strcmp(r->networks[count], "none") == 0;
    }
    if (none && count > 1)
        return check_fail(err, field, "'none' cannot be combined with other networks");
    return 0;
}

/* Adds one variable; ignores it if its name is not valid. A later variable replaces an earlier one
 * of the same name. */
static int add_env(json_t *all, const char *field, const char *name, size_t name_length,
                   const char *value, lrun_error *err)
{
    if (!text_is_env_name(name, name_length))
        return 0;
    size_t length = name_length + 1 + strlen(value);
    if (length > MAX_STRING)
        return check_fail(err, field, "'%.*s' is %zu bytes long; the kernel takes at most %d",
                          name_length > 80 ? 80 : (int)name_length, name, length, MAX_STRING);
    cleanup_free char *key = strndup(name, name_length);
    return key && json_object_set_new(all, key, json_string(value)) == 0
               ? 0
               : error_oom(err, OPERATION);
}

static int collect_env(json_t *all, const char *field, const json_t *value, lrun_error *err)
{
    const char *key, *text;
    json_t *member;
    size_t i;
    char path[160];
    if (json_is_object(value)) {
        json_object_foreach ((json_t *)value, key, member) {
            snprintf(path, sizeof(path), "%s.%.80s", field, key);
            if (check_string(&text, path, member, err) < 0 ||
                add_env(all, field, key, strlen(key), text, err) < 0)
                return -1;
        }
        return 0;
    }
    if (!json_is_array(value))
        return check_fail(err, field, "must be an object of strings, or a list of \"NAME=value\"");
    json_array_foreach (value, i, member) {
        snprintf(path, sizeof(path), "%s[%zu]", field, i);
        if (check_string(&text, path, member, err) < 0)
            return -1;
        const char *equals = strchr(text, '=');
        if (!equals)
            return check_fail(err, path, "'%.80s' has no '='", text);
        if (add_env(all, field, text, (size_t)(equals - text), equals + 1, err) < 0)
            return -1;
    }
    return 0;
}

static int flatten_env(char ***out, const char *field, const json_t *all, lrun_error *err)
{
    size_t count = json_object_size(all), total = 0;
    if (count == 0)
        return 0;
    *out = calloc(count + 1, sizeof(**out));
    if (!*out)
        return error_oom(err, OPERATION);
    const char *key;
    json_t *value;
    size_t i = 0;
    json_object_foreach ((json_t *)all, key, value) {
        if (asprintf(&(*out)[i], "%s=%s", key, json_string_value(value)) < 0) {
            (*out)[i] = NULL;
            return error_oom(err, OPERATION);
        }
        total += strlen((*out)[i++]) + 1;
        if (total > MAX_ENV)
            return check_fail(err, field, "is over the limit of %d bytes in all", MAX_ENV);
    }
    return 0;
}

static int read_env(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct request *r = out;
    json_t *all = json_object();
    int rc = all ? collect_env(all, field, value, err) : error_oom(err, OPERATION);
    if (rc == 0)
        rc = flatten_env(&r->env, field, all, err);
    json_decref(all);
    return rc;
}

static int read_workdir(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct request *r = out;
    cleanup_free char *path = NULL;
    if (check_copy_name(&path, field, value, MAX_PATH, err) < 0)
        return -1;
    if (path[0] != '/') {
        check_fail(err, field, "'%.80s' must be an absolute path", path);
        return error_hint(err, "begin it with a slash, like /app");
    }
    if (text_path_has_dotdot(path))
        return check_fail(err, field, "'%.80s' must not contain '..'", path);
    r->workdir = text_path_join("/", path);
    return r->workdir ? 0 : error_oom(err, OPERATION);
}

static int read_extract_from(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct request_extract *e = out;
    return check_copy_string(&e->from, field, value, err);
}

static int read_extract_to(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct request_extract *e = out;
    return check_copy_string(&e->to, field, value, err);
}

static int read_extract(void *out, const char *field, const json_t *value, lrun_error *err)
{
    static const struct check_field fields[] = {
        {"from", read_extract_from},
        {"to", read_extract_to},
        {0},
    };
    struct request *r = out;
    if (!json_is_array(value))
        return check_fail(err, field, "must be a list of {\"from\", \"to\"}");
    size_t count = json_array_size(value), total = 0;
    if (count > MAX_EXTRACT)
        return check_fail(err, field, "has %zu entries; at most %d are allowed", count,
                          MAX_EXTRACT);
    r->has_extract = true;
    if (count == 0)
        return 0;
    r->extract = calloc(count, sizeof(*r->extract));
    if (!r->extract)
        return error_oom(err, OPERATION);
    r->extract_count = count;
    for (size_t i = 0; i < count; i++) {
        char path[160];
        snprintf(path, sizeof(path), "%s[%zu]", field, i);
        struct request_extract *e = &r->extract[i];
        if (check_object(e, path, json_array_get(value, i), fields, err) < 0)
            return -1;
        if (!e->from || !e->to)
            return check_fail(err, path, "'%s' is missing", e->from ? "to" : "from");
        total += strlen(e->from) + strlen(e->to);
        if (total > MAX_EXTRACT_BYTES)
            return check_fail(err, field, "is over the limit of %d bytes in all",
                              MAX_EXTRACT_BYTES);
    }
    return 0;
}

static int read_extract_when(void *out, const char *field, const json_t *value, lrun_error *err)
{
    static const char *const names[] = {"success", "always", NULL};
    struct request *r = out;
    cleanup_free char *name = NULL;
    if (check_choice(&name, field, value, names, err) < 0)
        return -1;
    r->extract_always = strcmp(name, "always") == 0;
    return 0;
}

static int read_detached(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct request *r = out;
    return check_bool(&r->detached, field, value, err);
}

static const struct check_field request_fields[] = {
    {"image", read_image},
    {"entrypoint", read_entrypoint},
    {"command", read_entrypoint}, /* the older name */
    {"argv", read_argv},
    {"run", read_run},
    {"dir", read_dir},
    {"ignore", read_ignore},
    {"links", read_links},
    {"input", read_input},
    {"timeout", read_timeout},
    {"cpuTimeout", read_cpu_timeout},
    {"networks", read_networks},
    {"network", read_networks}, /* the older name */
    {"dns", read_dns},
    {"env", read_env},
    {"workdir", read_workdir},
    {"extract", read_extract},
    {"extractWhen", read_extract_when},
    {"detached", read_detached},
    {"options", read_options},
    {0},
};

static int set_default(char **field, const char *value)
{
    if (!*field)
        *field = strdup(value);
    return *field ? 0 : -1;
}

/*
 * The steps execute the image's own programs, so they need the isolation that the run asks for.
 * Only runc leaves a root that an image can be made from outside the sandbox. If that is weaker
 * than the run's tier, the user must choose it.
 */
static int check_setup_runtime(const struct request *r, lrun_error *err)
{
    const char *tier = r->setup_runtime ? r->setup_runtime : r->runtime;
    if (!r->run || strcmp(tier, "runc") == 0)
        return 0;
    error_set(err, LRUN_NOT_SUPPORTED, OPERATION, "run: setup steps cannot be run in the tier '%s'",
              tier);
    return error_hint(err,
                      "add --setup-runtime runc to run the steps, and with them the image's "
                      "programs, on the host's kernel; or use an image that has what is needed");
}

int request_from_json(struct request *out, const json_t *document, lrun_error *err)
{
    cleanup_request struct request r = {
        .memory_bytes = 512ull << 20,
        .cpus = 1,
        .pids = REQUEST_PIDS_DEFAULT,
        .no_new_privileges = true,
        .disk_bytes = 1ull << 30,
        .max_extract_bytes = 1ull << 30,
        .max_log_bytes = 256ull << 20,
        .timeout_ms = 20ull * 60 * 1000,
    };
    if (json_object_get(document, "networks") && json_object_get(document, "network"))
        return check_fail(err, "network", "'networks' and its older name 'network' are both given");
    if (check_object(&r, "", document, request_fields, err) < 0)
        return -1;
    if (!r.image)
        return check_fail(err, "image", "is missing");
    if (r.argv && r.entrypoint)
        return check_fail(err, "argv", "cannot be given together with 'entrypoint'");
    if (r.detached && r.input)
        return check_fail(err, "", "input is not supported for detached runs");
    if (r.dns && r.networks && strcmp(r.networks[0], "none") == 0)
        return check_fail(err, "dns", "name servers cannot be used without a network");
    if (set_default(&r.runtime, "runc") < 0 || set_default(&r.engine, "auto") < 0 ||
        (!r.ignore && copy_names(&r.ignore, ignored_names) < 0))
        return error_oom(err, OPERATION);
    if (check_setup_runtime(&r, err) < 0)
        return -1;
    *out = r;
    r = (struct request){0};
    return 0;
}

/* -------------------------------------------------------------- writing */

static json_t *strings_to_json(char *const *strings)
{
    json_t *list = strings ? json_array() : NULL;
    for (; list && *strings; strings++)
        if (json_array_append_new(list, json_string(*strings)) < 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

/* Returns NULL for an empty set, or when memory is out. */
static json_t *names_to_json(unsigned set, const struct named_bit *known)
{
    json_t *list = set ? json_array() : NULL;
    for (; list && known->name; known++) {
        if ((set & known->bit) && json_array_append_new(list, json_string(known->name)) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *size_to_json(uint64_t bytes)
{
    return json_sprintf("%llu", (unsigned long long)bytes);
}

static json_t *extract_to_json(const struct request *r)
{
    json_t *list = r->has_extract ? json_array() : NULL;
    for (size_t i = 0; list && i < r->extract_count; i++) {
        json_t *e = json_pack("{ss,ss}", "from", r->extract[i].from, "to", r->extract[i].to);
        if (!e || json_array_append_new(list, e) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

json_t *request_to_json(const struct request *r)
{
    json_t *memory = size_to_json(r->memory_bytes);
    json_t *disk = r->disk_asked ? size_to_json(r->disk_bytes) : NULL;
    json_t *unenforced = names_to_json(r->allow_unenforced, unenforced_names);
    json_t *egress = names_to_json(r->allow_egress, egress_names);
    json_t *options = json_pack(
        "{ss,ss*,ss,so*,sf,si,ss*,sb,so*,sI,sI,so*,so*,ss*,ss*}", "runtime", r->runtime,
        "accelerator", r->kvm_only ? "kvm" : NULL, "engine", r->engine, "memory", memory, "cpus",
        r->cpus, "pids", (int)r->pids, "gpus", r->gpus, "noNewPrivileges", r->no_new_privileges,
        "disk", disk, "maxExtractBytes", (json_int_t)r->max_extract_bytes, "maxLogBytes",
        (json_int_t)r->max_log_bytes, "allowUnenforced", unenforced, "allowEgress", egress,
        "setupRuntime", r->setup_runtime, "setupNetwork", r->setup_network);
    json_t *input = r->input ? json_string(r->input) : NULL;
    json_t *run = strings_to_json(r->run), *networks = strings_to_json(r->networks);
    json_t *env = strings_to_json(r->env), *extract = extract_to_json(r);
    json_t *dns = strings_to_json(r->dns), *argv = strings_to_json(r->argv);
    json_t *ignore = strings_to_json(r->ignore);
    json_t *cpu_timeout = r->cpu_timeout_ms ? json_integer((json_int_t)r->cpu_timeout_ms) : NULL;
    bool complete = memory && !disk == !r->disk_asked && options &&
                    !unenforced == !r->allow_unenforced && !egress == !r->allow_egress &&
                    !argv == !r->argv && !ignore == !r->ignore &&
                    !cpu_timeout == !r->cpu_timeout_ms && !dns == !r->dns && !input == !r->input &&
                    !run == !r->run && !networks == !r->networks && !env == !r->env &&
                    !extract == !r->has_extract;
    json_t *document = json_pack(
        "{ss,ss*,so*,so*,ss*,so*,ss*,so*,sI,so*,so*,so*,so*,ss*,so*,ss*,sb,so*}", "image", r->image,
        "entrypoint", r->entrypoint, "argv", argv, "run", run, "dir", r->dir, "ignore", ignore,
        "links", r->links_inside ? "inside" : NULL, "input", input, "timeout",
        (json_int_t)r->timeout_ms, "cpuTimeout", cpu_timeout, "networks", networks, "dns", dns,
        "env", env, "workdir", r->workdir, "extract", extract, "extractWhen",
        r->extract_always ? "always" : NULL, "detached", r->detached, "options", options);
    if (!complete) {
        json_decref(document);
        return NULL;
    }
    return document;
}

void request_free(struct request *r)
{
    free(r->runtime);
    free(r->engine);
    free(r->gpus);
    free(r->setup_runtime);
    free(r->setup_network);
    free(r->image);
    free(r->entrypoint);
    check_free_strings(r->argv);
    check_free_strings(r->run);
    check_free_strings(r->dns);
    free(r->dir);
    check_free_strings(r->ignore);
    free(r->input);
    check_free_strings(r->networks);
    check_free_strings(r->env);
    free(r->workdir);
    for (size_t i = 0; i < r->extract_count; i++) {
        free(r->extract[i].from);
        free(r->extract[i].to);
    }
    free(r->extract);
    *r = (struct request){0};
}
