/* SPDX-License-Identifier: MIT */
#include "completion.h"
#include "verbs.h"

#include <string.h>

struct words {
    bool help;
};

static const struct flag flags[] = {FLAG_HELP(struct words), FLAG_END};

const struct command completion_command = {
    .name = "completion",
    .usage = "bash|zsh|fish",
    .about =
        "Prints a script by which the shell completes verbs, flags, their values, ids of runs and\n"
        "names of images. `make install` puts the scripts where the shells look for them.",
    .flags = flags,
    .notes = "  eval \"$(light-runner completion bash)\"",
    .words = "bash zsh fish",
};

int verb_completion(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } shells[] = {{"bash", completion_bash}, {"zsh", completion_zsh}, {"fish", completion_fish}};
    struct words w = {0};
    int code;
    if (!cli_parse(&completion_command, &w, &argc, argv, &code))
        return code;
    if (argc < 2)
        return cli_usage("completion", false, "missing shell (expected bash, zsh or fish)");
    if (argc > 2)
        return cli_usage("completion", false, "unknown argument '%.80s'", argv[2]);
    for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
        if (strcmp(shells[i].name, argv[1]) == 0) {
            shells[i].print();
            return 0;
        }
    }
    return cli_usage("completion", false, "unknown shell '%.80s' (expected bash, zsh or fish)",
                     argv[1]);
}
