/* SPDX-License-Identifier: MIT */
#include "verbs.h"

struct words {
    bool json, help;
};

static const struct flag flags[] = {
    FLAG_JSON(struct words, "print a JSON object"),
    FLAG_HELP(struct words),
    FLAG_END,
};

const struct command version_command = {
    .name = "version",
    .usage = "[--json]",
    .about = "Prints the version.",
    .flags = flags,
    .no_words = true,
};

int verb_version(int argc, char **argv)
{
    struct words w = {0};
    int code;
    if (!cli_parse(&version_command, &w, &argc, argv, &code))
        return code;
    printf(w.json ? "{\"version\":\"%s\"}\n" : "light-runner %s\n", lrun_version());
    return 0;
}
