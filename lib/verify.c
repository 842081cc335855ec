/* SPDX-License-Identifier: MIT */
/*
 * Shows which kernel the code in a tier really sees. Every run is checked before its command
 * starts; this shows the evidence to people.
 */
#include "runner.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPERATION     "verify"
#define DEFAULT_IMAGE "busybox"

enum { LINES_MAX = 40, LINE_LENGTH = 200, TIMEOUT_MS = 60 * 1000 };

/* Each line begins with the name of its source. The script uses only what every small image has; a
 * source that is missing is left out. */
static const char script[] =
    "echo \"uname $(uname -a)\"\n"
    "while read -r line; do echo \"version $line\"; done </proc/version\n"
    "n=0; while [ $n -lt 3 ] && read -r line; do echo \"maps $line\"; n=$((n+1)); done "
    "</proc/self/maps\n"
    "while read -r line; do case $line in *\\|*) ;; *) echo \"network ${line%%:*}\" ;; esac; done "
    "</proc/net/dev\n"
    "dmesg 2>/dev/null | while read -r line; do echo \"log $line\"; done\n"
    "exit 0";

struct verify {
    bool vm;
    char lines[LINES_MAX][LINE_LENGTH];
    size_t count;
};

static void on_line(void *user, lrun_stream stream, const char *data, size_t length)
{
    struct verify *v = user;
    if (stream != LRUN_STDOUT || v->count == LINES_MAX)
        return;
    char *line = v->lines[v->count++];
    snprintf(line, LINE_LENGTH, "%.*s", (int)length, data);
    text_make_printable(line);
}

static bool has_interface(const struct verify *v)
{
    for (size_t i = 0; i < v->count; i++)
        if (strncmp(v->lines[i], "network ", 8) == 0 && strcmp(v->lines[i] + 8, "lo") != 0)
            return true;
    return false;
}

static const char *verdict(const struct verify *v, const lrun_result *r)
{
    bool other = strcmp(r->isolation->kernel, r->isolation->host_kernel) != 0;
    if (!r->isolation->verified)
        return "it is not known on which kernel the code ran";
    if (other && v->vm && !has_interface(v))
        return "the code ran on a kernel of its own, but no network came up there: use --network "
               "none, or another "
               "runtime";
    return other
               ? "the code ran on a kernel of its own, not on the host's"
               : "the code ran on the host's kernel, in namespaces of its own, as the tier has it";
}

static json_t *evidence(const struct verify *v)
{
    json_t *document = json_object();
    for (size_t i = 0; document && i < v->count; i++) {
        const char *space = strchr(v->lines[i], ' ');
        if (!space)
            continue;
        char key[16];
        snprintf(key, sizeof(key), "%.*s", (int)(space - v->lines[i]), v->lines[i]);
        json_t *list = json_object_get(document, key);
        if (!list && json_object_set_new(document, key, list = json_array()) < 0)
            break;
        json_array_append_new(list, json_string(space + 1));
    }
    return document;
}

/* Returns a new reference, or NULL if nothing was checked. */
static json_t *checked(const lrun_isolation *isolation)
{
    json_t *list = *isolation->checked ? json_array() : NULL;
    for (const char *const *name = isolation->checked; list && *name; name++)
        json_array_append_new(list, json_string(*name));
    return list;
}

static char *report(const struct verify *v, const lrun_result *r)
{
    const lrun_isolation *i = r->isolation;
    json_t *document =
        json_pack("{ss,ss,ss,sb,so*,so,ss}", "runtime", i->runtime, "kernel", i->kernel,
                  "hostKernel", i->host_kernel, "verified", i->verified, "checked", checked(i),
                  "evidence", evidence(v), "verdict", verdict(v, r));
    char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
    json_decref(document);
    return text;
}

int lrun_verify(const lrun_runner *runner, const lrun_verify_options *options, char **out,
                lrun_error *err)
{
    static const char *const no_network[] = {"none", NULL};
    if (!runner || !out)
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "runner or out is NULL");
    *out = NULL;
    lrun_verify_options o = LRUN_VERIFY_OPTIONS_INIT;
    if ((options && runner_take_struct(&o, sizeof(o), options, options->size, "lrun_verify_options",
                                       err) < 0) ||
        runner_check_fd(o.cancel_fd, "options.cancel_fd", err) < 0)
        return -1;
    const char *tier = json_string_value(json_object_get(runner->options, "runtime"));
    cleanup_free struct verify *v = calloc(1, sizeof(*v));
    if (!v)
        return error_oom(err, OPERATION);
    v->vm = tier && strstr(tier, "kata");
    lrun_execution *execution = NULL;
    lrun_result *result = NULL;
    lrun_request request = LRUN_REQUEST_INIT;
    lrun_callbacks callbacks = LRUN_CALLBACKS_INIT;
    request.image = o.image ? o.image : DEFAULT_IMAGE;
    request.entrypoint = script;
    /* A VM may lack the network interface that a container gets (moby#47626), so look for one. */
    request.networks = v->vm ? NULL : no_network;
    request.timeout_ms = TIMEOUT_MS;
    callbacks.cancel_fd = o.cancel_fd;
    callbacks.on_line = on_line;
    callbacks.user = v;
    int rc = lrun_run(runner, &request, &callbacks, &execution, err) < 0 ||
                     lrun_execution_wait(execution, &result, err) < 0
                 ? -1
                 : 0;
    lrun_execution_free(execution);
    if (rc == 0 && result->cancelled)
        rc = error_set(err, LRUN_IO_FAILED, OPERATION, "cancelled");
    if (rc == 0) {
        *out = report(v, result);
        rc = *out ? 0 : error_oom(err, OPERATION);
    }
    lrun_result_free(result);
    return rc;
}
