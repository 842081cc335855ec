/* SPDX-License-Identifier: MIT */
#include "verbs.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/libexec.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int print_help(void)
{
    puts("usage: light-runner setup gvisor [flags]\n\n"
         "Installs what a tier needs and no distribution has in a current version.\n\n"
         "  gvisor    for the tier runsc; 'light-runner setup gvisor --help' lists its flags");
    return 0;
}

/* Each is a program of its own, with the libraries that nobody else needs. */
int verb_setup(int argc, char **argv)
{
    bool json = false;
    lr_error e = {0};
    for (int i = 1; i < argc; i++)
        json = json || strcmp(argv[i], "--json") == 0;
    if (argc < 2)
        return cli_usage("setup", json, "what is to be set up is missing");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return print_help();
    if (strcmp(argv[1], "kata") == 0) {
        error_set(&e, LR_NOT_SUPPORTED, "cli.setup",
                  "'light-runner setup kata' is not in this version");
        return cli_fail(&e, json);
    }
    if (strcmp(argv[1], "gvisor") != 0)
        return cli_usage("setup", json, "'%s' is nothing that can be set up", argv[1]);
    cleanup_free char *program = libexec_find("light-runner-setup-gvisor", &e);
    if (!program)
        return cli_fail(&e, json);
    execv(program, argv + 1);
    error_errno(&e, LR_IO_FAILED, "cli.setup", errno, "cannot start '%s'", program);
    return cli_fail(&e, json);
}
