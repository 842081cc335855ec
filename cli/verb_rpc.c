/* SPDX-License-Identifier: MIT */
#include "verbs.h"

#include "rpc/rpc.h"

#include <unistd.h>

struct words {
    bool help;
};

static const struct flag flags[] = {FLAG_HELP(struct words), FLAG_END};

const struct command rpc_command = {
    .name = "rpc",
    .usage = "",
    .about =
        "Serves programs in other languages: requests as lines of JSON on stdin, responses and\n"
        "events as lines of JSON on stdout. One process serves many runs. When stdin ends, the\n"
        "attached runs are cancelled.",
    .flags = flags,
    .no_words = true,
};

int verb_rpc(int argc, char **argv)
{
    struct words w = {0};
    lrun_error e = {0};
    int code;
    if (!cli_parse(&rpc_command, &w, &argc, argv, &code))
        return code;
    return rpc_serve(STDIN_FILENO, STDOUT_FILENO, &e) < 0 ? cli_fail(&e, false) : 0;
}
