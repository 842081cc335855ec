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
    puts("usage: light-runner setup gvisor|kata [flags]\n\n"
         "Prepares what a tier needs.\n\n"
         "  gvisor    for the tier runsc: installs gVisor, and registers it with Docker\n"
         "  kata      for the tier kata: makes what VMs are started with, and tries KVM\n\n"
         "Each lists its flags with --help.");
    return 0;
}

/* Each is a program of its own, with the libraries that nobody else needs. */
int verb_setup(int argc, char **argv)
{
    bool json = false;
    lrun_error e = {0};
    for (int i = 1; i < argc; i++)
        json = json || strcmp(argv[i], "--json") == 0;
    if (argc < 2)
        return cli_usage("setup", json, "what is to be set up is missing");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return print_help();
    const char *name = strcmp(argv[1], "gvisor") == 0 ? "light-runner-setup-gvisor"
                       : strcmp(argv[1], "kata") == 0 ? "light-runner-setup-kata"
                                                      : NULL;
    if (!name)
        return cli_usage("setup", json, "'%s' is nothing that can be set up", argv[1]);
    cleanup_free char *program = libexec_find(name, &e);
    if (!program)
        return cli_fail(&e, json);
    execv(program, argv + 1);
    error_errno(&e, LRUN_IO_FAILED, "cli.setup", errno, "cannot start '%s'", program);
    return cli_fail(&e, json);
}
