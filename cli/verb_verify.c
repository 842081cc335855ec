/* SPDX-License-Identifier: MIT */
/*
 * The sanity check of a tier: shows which kernel its code really sees. Every run is checked before
 * its command starts; this shows the evidence to people.
 */
#include "cli_runner.h"
#include "verbs.h"

#include "base/cleanup.h"
#include "base/error.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_IMAGE "busybox"

static const char default_image[] = DEFAULT_IMAGE;

struct verify {
    const char *runtime, *engine, *image;
    bool json, help;
};

static const struct flag flags[] = {
    FLAG_STRING("runtime", struct verify, runtime, "TIER", "runc (default), runsc or kata",
                .choices = CLI_TIERS),
    FLAG_STRING("engine", struct verify, engine, "ENGINE", "auto (default), local or docker",
                .choices = CLI_ENGINES),
    FLAG_STRING("image", struct verify, image, "IMAGE",
                "image with sh and uname (default: " DEFAULT_IMAGE ")", .choices = COMPLETE_IMAGES),
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
        "(nothing is run then), 125 if this could not be determined.",
    .no_words = true,
};

static const char *text_in(const json_t *document, const char *field)
{
    const char *text = json_string_value(json_object_get(document, field));
    return text ? text : "";
}

static void print_names(const char *label, const json_t *list)
{
    char names[160] = "";
    const json_t *name;
    size_t i;
    json_array_foreach (list, i, name)
        snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", i ? "," : "",
                 json_string_value(name));
    if (names[0])
        cli_line(stdout, "%-8s %s", label, names);
}

static void print_text(json_t *document)
{
    const char *key;
    json_t *lines, *line;
    size_t i;
    cli_line(stdout, "%-8s %s", "tier", text_in(document, "runtime"));
    cli_line(stdout, "%-8s %s", "kernel", text_in(document, "kernel"));
    cli_line(stdout, "%-8s %s", "host's", text_in(document, "hostKernel"));
    print_names("checked", json_object_get(document, "checked"));
    json_object_foreach (json_object_get(document, "evidence"), key, lines)
        json_array_foreach (lines, i, line)
            cli_line(stdout, "%-8s %s", key, json_string_value(line));
    putchar('\n');
    cli_line(stdout, "%s", text_in(document, "verdict"));
}

/* Prints the document and takes its reference. Returns the exit code. */
static int print(json_t *document, bool json)
{
    bool verified = json_is_true(json_object_get(document, "verified"));
    if (json)
        return cli_json(document, JSON_INDENT(2)) != 0 ? CLI_FAILED : verified ? 0 : 1;
    print_text(document);
    json_decref(document);
    return verified ? 0 : 1;
}

/* We chose the image, so failing to get it says nothing about the tier. */
static void hint_image(lrun_error *e)
{
    cleanup_free char *hint = strdup(e->hint);
    error_hint(e, "name an image that is here: --image NAME (light-runner image ls)%s%s",
               hint && *hint ? "; or " : "", hint ? hint : "");
}

int verb_verify(int argc, char **argv)
{
    struct verify v = {.image = default_image};
    lrun_runner *runner = NULL;
    char *text = NULL;
    lrun_error e = {0};
    int rc;
    if (!cli_parse(&verify_command, &v, &argc, argv, &rc))
        return rc;
    lrun_verify_options options = LRUN_VERIFY_OPTIONS_INIT;
    options.image = v.image;
    bool failed = cli_runner(&runner, v.engine, v.runtime, &e) < 0 ||
                  lrun_verify(runner, &options, &text, &e) < 0;
    lrun_runner_free(runner);
    if (failed) {
        if (v.image == default_image && e.code == LRUN_START_FAILED && strstr(e.operation, "pull"))
            hint_image(&e);
        rc = cli_fail(&e, v.json);
        return e.code == LRUN_ISOLATION_FAILED ? 1 : rc;
    }
    rc = print(json_loads(text, 0, NULL), v.json);
    lrun_string_free(text);
    return rc;
}
