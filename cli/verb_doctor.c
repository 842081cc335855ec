/* SPDX-License-Identifier: MIT */
/* Reports what works on this machine (lrun_doctor()). */
#include "cli_runner.h"
#include "verbs.h"

#include <jansson.h>
#include <string.h>

struct words {
    bool json, help, full;
};

static const struct flag flags[] = {
    FLAG_SWITCH("full", struct words, full,
                "also boot a VM in the tier kata even if that takes a while, without KVM"),
    FLAG_JSON(struct words, "print a JSON object"),
    FLAG_HELP(struct words),
    FLAG_END,
};

const struct command doctor_command = {
    .name = "doctor",
    .usage = "[--full] [--json]",
    .about =
        "Says what works on this machine: what runs need, and for each engine and tier whether a\n"
        "run of a tiny program succeeds there; and for each thing that does not work, the command "
        "that\n"
        "fixes it. The image for it is removed again. Exit code 0 if runs on the local engine "
        "with\n"
        "the tier runc work, else 1.",
    .flags = flags,
    .no_words = true,
};

static const char *text_of(const json_t *object, const char *field)
{
    const char *text = json_string_value(json_object_get(object, field));
    return text ? text : "";
}

static bool is_true(const json_t *object, const char *field)
{
    return json_is_true(json_object_get(object, field));
}

static void print_text(const json_t *report)
{
    const json_t *check, *cell;
    size_t i;
    json_array_foreach (json_object_get(report, "checks"), i, check) {
        bool ok = is_true(check, "ok");
        cli_line(stdout, "%-8s %-16s %s", ok ? "ok" : "missing", text_of(check, "name"),
                 text_of(check, "detail"));
        if (!ok && text_of(check, "fix")[0])
            cli_line(stdout, "%-8s %-16s   fix: %s", "", "", text_of(check, "fix"));
    }
    putchar('\n');
    json_array_foreach (json_object_get(report, "cells"), i, cell) {
        bool works = is_true(cell, "works");
        const char *engine = text_of(cell, "engine"), *tier = text_of(cell, "runtime");
        cli_line(stdout, "%-8s %-7s %-6s %s", works ? "works" : "no", engine, tier,
                 text_of(cell, "reason"));
        if (!works && text_of(cell, "hint")[0])
            cli_line(stdout, "%-8s %-7s %-6s   fix: %s", "", "", "", text_of(cell, "hint"));
    }
}

/* The cell that most runs use decides. */
static bool runs_work(const json_t *report)
{
    const json_t *cell;
    size_t i;
    json_array_foreach (json_object_get(report, "cells"), i, cell)
        if (strcmp(text_of(cell, "engine"), "local") == 0 &&
            strcmp(text_of(cell, "runtime"), "runc") == 0)
            return is_true(cell, "works");
    return false;
}

int verb_doctor(int argc, char **argv)
{
    struct words w = {0};
    int code;
    if (!cli_parse(&doctor_command, &w, &argc, argv, &code))
        return code;

    lrun_doctor_options options = LRUN_DOCTOR_OPTIONS_INIT;
    options.full = w.full;
    lrun_runner *runner = NULL;
    lrun_error e = {0};
    char *text = NULL;
    bool failed =
        cli_runner(&runner, NULL, NULL, &e) < 0 || lrun_doctor(runner, &options, &text, &e) < 0;
    lrun_runner_free(runner);
    if (failed)
        return cli_fail(&e, w.json);
    json_t *report = json_loads(text, 0, NULL);
    lrun_string_free(text);
    code = runs_work(report) ? 0 : 1;
    if (!w.json)
        print_text(report);
    else if (cli_json(json_incref(report), JSON_INDENT(2)) != 0)
        code = CLI_FAILED;
    json_decref(report);
    return code;
}
