/* SPDX-License-Identifier: MIT */
/*
 * The sanity check of a tier: which kernel code that runs in it really sees. Every run is checked before its
 * command starts; this shows what there is to be seen, for people.
 */
#include "verbs.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/text.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { LINES_MAX = 40, LINE_LENGTH = 200 };

static const char default_image[] = "busybox";

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

static int print_help(void)
{
    printf(
        "usage: light-runner verify [--runtime TIER] [--engine ENGINE] [--image IMAGE] [--json]\n\n"
        "Runs a few harmless commands in the tier and prints what they see of the kernel: its name "
        "and\n"
        "version, the memory map of a process, the beginning of the kernel's log.\n\n"
        "  --runtime TIER    runc (default), runsc or kata\n"
        "  --engine ENGINE   auto (default), local or docker\n"
        "  --image IMAGE     one with sh and uname (default: %s)\n\n"
        "Exit code: 0 if the code ran on the kernel that the tier promises, 1 if it would have run "
        "on another\n"
        "(nothing is run then), 125 if it could not be found out.\n",
        default_image);
    return 0;
}

static int parse(struct verify *v, int argc, char **argv)
{
    static const struct option options[] = {
        {"runtime", required_argument, NULL, 'r'}, {"engine", required_argument, NULL, 'e'},
        {"image", required_argument, NULL, 'i'},   {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},          {0}};
    opterr = 0;
    optind = 0;
    for (int i = 1; i < argc; i++)
        v->json = v->json || strcmp(argv[i], "--json") == 0;
    for (int c; (c = getopt_long(argc, argv, "+:h", options, NULL)) != -1;) {
        switch (c) {
        case 'r':
            v->runtime = optarg;
            break;
        case 'e':
            v->engine = optarg;
            break;
        case 'i':
            v->image = optarg;
            break;
        case 'j':
            break;
        case 'h':
            v->help = true;
            break;
        case ':':
            return cli_usage("verify", v->json, "%s needs a value", argv[optind - 1]);
        default:
            return cli_usage("verify", v->json, "unknown flag '%s'", argv[optind - 1]);
        }
    }
    return optind < argc ? cli_usage("verify", v->json, "unknown argument '%s'", argv[optind]) : 0;
}

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
    int rc = parse(&v, argc, argv);
    if (rc != 0)
        return rc;
    if (v.help)
        return print_help();
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
