/* SPDX-License-Identifier: MIT */
/*
 * The command lines of `light-runner setup`. They are separate from the programs that carry them
 * out, because shells complete them too.
 */
#ifndef CLI_SETUP_FLAGS_H
#define CLI_SETUP_FLAGS_H

#include "flags.h"

#define GVISOR_MIRROR "https://storage.googleapis.com/gvisor/releases/release"

struct gvisor_words {
    const char *release, *mirror, *prefix, *daemon_json, *pid_file, *runtime;
    bool docker, dry_run, json, help;
};

struct kata_words {
    bool json, help;
};

extern const struct command setup_gvisor_command, setup_kata_command;

#endif
