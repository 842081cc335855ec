/* SPDX-License-Identifier: MIT */
/*
 * The sanity check of a tier: which kernel code that runs in it really sees. Every run is checked before its
 * command starts; this shows what there is to be seen, for people.
 */
#include "cli_runner.h"
#include "verbs.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { LINES_MAX = 40, LINE_LENGTH = 200 };

#define DEFAULT_IMAGE "busybox"

static const char default_image[] = DEFAULT_IMAGE;

/* Each line names what it is of. Only what every small image has; what it has not is left out. */
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
    const char *runtime, *engine, *image;
    bool json, help;
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

static const struct flag flags[] = {
    FLAG_STRING("runtime", struct verify, runtime, "TIER", "runc (default), runsc or kata",
                .choices = CLI_TIERS),
    FLAG_STRING("engine", struct verify, engine, "ENGINE", "auto (default), local or docker",
                .choices = CLI_ENGINES),
    FLAG_STRING("image", struct verify, image, "IMAGE",
                "one with sh and uname (default: " DEFAULT_IMAGE ")", .choices = COMPLETE_IMAGES),
    FLAG_JSON(struct verify, "print a JSON object"),
    FLAG_HELP(struct verify),
    FLAG_END,
};

const struct command verify_command = {
    .name = "verify",
    .usage = "[--runtime TIER] [--engine ENGINE] [--image IMAGE] [--json]",
    .about =
        "Runs a few harmless commands in the tier and prints what they see of the kernel: its name "
        "and\n"
        "version, the memory map of a process, the beginning of the kernel's log.",
    .flags = flags,
    .notes =
        "Exit code: 0 if the code ran on the kernel that the tier promises, 1 if it would have run "
        "on another\n"
        "(nothing is run then), 125 if it could not be found out.",
    .no_words = true,
};

static bool is_vm(const struct verify *v)
{
    return v->runtime && strstr(v->runtime, "kata") != NULL;
}

static bool has_interface(const struct verify *v)
{
    for (size_t i = 0; i < v->count; i++)
        if (strncmp(v->lines[i], "network ", 8) == 0 && strcmp(v->lines[i] + 8, "lo") != 0)
            return true;
    return false;
}

static int run(struct verify *v, lrun_result **result, lrun_error *err)
{
    static const char *const no_network[] = {"none", NULL};
    lrun_runner *runner = NULL;
    lrun_execution *execution = NULL;
    lrun_request request = LRUN_REQUEST_INIT;
    lrun_callbacks callbacks = LRUN_CALLBACKS_INIT;
    request.image = v->image;
    request.entrypoint = script;
    /* A VM's interface may be missing where it is a container's (moby#47626): that is looked at. */
    request.networks = is_vm(v) ? NULL : no_network;
    request.timeout_ms = 60000;
    callbacks.on_line = on_line;
    callbacks.user = v;
    int rc = cli_runner(&runner, v->engine, v->runtime, err) < 0 ||
                     lrun_run(runner, &request, &callbacks, &execution, err) < 0 ||
                     lrun_execution_wait(execution, result, err) < 0
                 ? -1
                 : 0;
    lrun_execution_free(execution);
    lrun_runner_free(runner);
    return rc;
}

static const char *verdict(const struct verify *v, const lrun_result *r)
{
    bool other = strcmp(r->isolation->kernel, r->isolation->host_kernel) != 0;
    if (!r->isolation->verified)
        return "it is not known on which kernel the code ran";
    if (other && is_vm(v) && !has_interface(v))
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

/* As the result's own document has it. New reference; NULL: nothing was. */
static json_t *checked(const lrun_result *r)
{
    json_t *document = json_loads(lrun_result_json(r), 0, NULL);
    json_t *list = json_incref(json_object_get(json_object_get(document, "isolation"), "checked"));
    json_decref(document);
    return list;
}

static int print_json(const struct verify *v, const lrun_result *r)
{
    json_t *document = json_pack(
        "{ss,ss,ss,sb,so*,so,ss}", "runtime", r->isolation->runtime, "kernel", r->isolation->kernel,
        "hostKernel", r->isolation->host_kernel, "verified", r->isolation->verified, "checked",
        checked(r), "evidence", evidence(v), "verdict", verdict(v, r));
    if (cli_json(document, JSON_INDENT(2)) != 0)
        return CLI_FAILED;
    return r->isolation->verified ? 0 : 1;
}

static int print_text(const struct verify *v, const lrun_result *r)
{
    cli_line(stdout, "%-8s %s", "tier", r->isolation->runtime);
    cli_line(stdout, "%-8s %s", "kernel", r->isolation->kernel);
    cli_line(stdout, "%-8s %s", "host's", r->isolation->host_kernel);
    char names[160] = "";
    for (const char *const *name = r->isolation->checked; *name; name++)
        snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", names[0] ? "," : "",
                 *name);
    if (names[0])
        cli_line(stdout, "%-8s %s", "checked", names);
    for (size_t i = 0; i < v->count; i++) {
        const char *space = strchr(v->lines[i], ' ');
        if (space)
            cli_line(stdout, "%-8.*s %s", (int)(space - v->lines[i]), v->lines[i], space + 1);
    }
    putchar('\n');
    cli_line(stdout, "%s", verdict(v, r));
    return r->isolation->verified ? 0 : 1;
}

/* The image is ours to choose, and its failure no news of the tier. */
static void hint_image(lrun_error *e)
{
    cleanup_free char *hint = strdup(e->hint);
    error_hint(e, "name an image that is here: --image NAME (light-runner image ls)%s%s",
               hint && *hint ? "; or " : "", hint ? hint : "");
}

int verb_verify(int argc, char **argv)
{
    struct verify v = {.image = default_image};
    lrun_result *result = NULL;
    lrun_error e = {0};
    int rc;
    if (!cli_parse(&verify_command, &v, &argc, argv, &rc))
        return rc;
    if (run(&v, &result, &e) < 0) {
        if (v.image == default_image && e.code == LRUN_START_FAILED && strstr(e.operation, "pull"))
            hint_image(&e);
        rc = cli_fail(&e, v.json);
        return e.code == LRUN_ISOLATION_FAILED ? 1 : rc;
    }
    rc = v.json ? print_json(&v, result) : print_text(&v, result);
    lrun_result_free(result);
    return rc;
}
