/* SPDX-License-Identifier: MIT */
/*
 * Reads a request. Each field has one row in a table, with the function that checks it. A field
 * that has no row is unknown. The fields of `options` and of the network are in files of their own.
 */
#include "wire/request.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "wire/request_fields.h"
#include "json/check.h"
#include "json/request_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_IMAGE = 4096,
    MAX_PATH = 4095,
    MAX_STRING = 128 * 1024 - 1, /* the kernel's limit on one argument or variable */
    MAX_ENV = 1024 * 1024,       /* all variables together */
    MAX_ARGV_WORDS = 65536,
    MAX_ARGV = 1024 * 1024, /* all words together */
    MAX_EXTRACT = 1024,
    MAX_EXTRACT_BYTES = 1024 * 1024, /* all paths together: they come back in one RESULT frame */
    MAX_IGNORE = 1024,
    MAX_NAME = 255, /* a file's name, without its folder */
    MAX_STEPS = 1024,
};

#define MAX_TIMEOUT (3650ull * 24 * 3600 * 1000)

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
        return error_oom(err, REQUEST_OPERATION);
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
               : error_oom(err, REQUEST_OPERATION);
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
        return error_oom(err, REQUEST_OPERATION);
    const char *key;
    json_t *value;
    size_t i = 0;
    json_object_foreach ((json_t *)all, key, value) {
        if (asprintf(&(*out)[i], "%s=%s", key, json_string_value(value)) < 0) {
            (*out)[i] = NULL;
            return error_oom(err, REQUEST_OPERATION);
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
    int rc = all ? collect_env(all, field, value, err) : error_oom(err, REQUEST_OPERATION);
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
    return r->workdir ? 0 : error_oom(err, REQUEST_OPERATION);
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
        return error_oom(err, REQUEST_OPERATION);
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

static int read_cells(uint64_t *out, const char *field, const json_t *value, lrun_error *err)
{
    json_int_t number;
    if (!check_integer(&number, value) || number < 0 || number > UINT16_MAX)
        return check_fail(err, field, "must be a whole number from 0 to %d", UINT16_MAX);
    *out = (uint64_t)number;
    return 0;
}

static int read_tty_rows(void *out, const char *field, const json_t *value, lrun_error *err)
{
    return read_cells(&((struct request *)out)->tty_rows, field, value, err);
}

static int read_tty_columns(void *out, const char *field, const json_t *value, lrun_error *err)
{
    return read_cells(&((struct request *)out)->tty_columns, field, value, err);
}

static int read_tty(void *out, const char *field, const json_t *value, lrun_error *err)
{
    static const struct check_field fields[] = {
        {"rows", read_tty_rows},
        {"columns", read_tty_columns},
        {0},
    };
    struct request *r = out;
    if (!json_is_object(value) && !json_is_boolean(value))
        return check_fail(err, field, "must be true, false, or {\"rows\", \"columns\"}");
    r->tty = !json_is_false(value);
    return json_is_object(value) ? check_object(r, field, value, fields, err) : 0;
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
    {"networks", request_read_networks},
    {"network", request_read_networks}, /* the older name */
    {"dns", request_read_dns},
    {"env", read_env},
    {"workdir", read_workdir},
    {"extract", read_extract},
    {"extractWhen", read_extract_when},
    {"detached", read_detached},
    {"tty", read_tty},
    {"options", request_read_options},
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
    error_set(err, LRUN_NOT_SUPPORTED, REQUEST_OPERATION,
              "run: setup steps cannot be run in the tier '%s'", tier);
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
    if (r.detached && r.tty)
        return check_fail(err, "tty", "is not supported for detached runs");
    if (r.detached && r.input)
        return check_fail(err, "", "input is not supported for detached runs");
    if (r.dns && r.networks && strcmp(r.networks[0], "none") == 0)
        return check_fail(err, "dns", "name servers cannot be used without a network");
    if (set_default(&r.runtime, "runc") < 0 || set_default(&r.engine, "auto") < 0 ||
        (!r.ignore && copy_names(&r.ignore, ignored_names) < 0))
        return error_oom(err, REQUEST_OPERATION);
    if (check_setup_runtime(&r, err) < 0)
        return -1;
    *out = r;
    r = (struct request){0};
    return 0;
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

int request_parse(struct request *out, const char *json, size_t length, lrun_error *err)
{
    json_t *document;
    if (request_text_load(&document, json, length, err) < 0)
        return -1;
    int rc = request_from_json(out, document, err);
    json_decref(document);
    return rc;
}
