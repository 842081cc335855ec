/* SPDX-License-Identifier: MIT */
#include "setup_flags.h"
#include "verbs.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/libexec.h"

#include <string.h>
#include <unistd.h>

struct words {
    bool help;
};

static const struct flag flags[] = {FLAG_HELP(struct words), FLAG_END};

const struct command setup_command = {
    .name = "setup",
    .usage = "gvisor|kata [flags]",
    .about = "Prepares what a tier needs.\n"
             "\n"
             "  gvisor    for the tier runsc: installs gVisor, and registers it with Docker\n"
             "  kata      for the tier kata: makes what VMs are started with, and tries KVM\n"
             "\n"
             "Each lists its flags with --help.",
    .flags = flags,
    .commands = (const struct command *const[]){&setup_gvisor_command, &setup_kata_command, NULL},
};

/* Each target is a program of its own, because it needs libraries that nothing else needs. */
int verb_setup(int argc, char **argv)
{
    bool json = false;
    lrun_error e = {0};
    for (int i = 1; i < argc; i++)
        json = json || strcmp(argv[i], "--json") == 0;
    if (argc < 2)
        return cli_usage("setup", json, "missing setup target (expected gvisor or kata)");
    struct words w = {0};
    int code;
    if (argv[1][0] == '-' && !cli_parse(&setup_command, &w, &argc, argv, &code))
        return code;
    const char *name = strcmp(argv[1], "gvisor") == 0 ? "light-runner-setup-gvisor"
                       : strcmp(argv[1], "kata") == 0 ? "light-runner-setup-kata"
                                                      : NULL;
    if (!name)
        return cli_usage("setup", json, "unknown setup target '%s' (expected gvisor or kata)",
                         argv[1]);
    cleanup_free char *program = libexec_find(name, &e);
    if (!program)
        return cli_fail(&e, json);
    execv(program, argv + 1);
    error_errno(&e, LRUN_IO_FAILED, "cli.setup", errno, "cannot start '%s'", program);
    return cli_fail(&e, json);
}
