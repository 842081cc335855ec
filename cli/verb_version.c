/* SPDX-License-Identifier: MIT */
#include "verbs.h"

#include <stdio.h>
#include <string.h>

int verb_version(int argc, char **argv)
{
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        puts("usage: light-runner version [--json]\n\nPrints the version.");
        return 0;
    }
    bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    if (argc > (json ? 2 : 1))
        return cli_usage("version", json, "unknown argument '%s'", argv[json ? 2 : 1]);
    printf(json ? "{\"version\":\"%s\"}\n" : "light-runner %s\n", lrun_version());
    return 0;
}
