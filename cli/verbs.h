/* SPDX-License-Identifier: MIT */
/*
 * One file per verb, one table of verbs (main.c). A verb gets argv with its own name first, and
 * returns the exit code of the process.
 */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include "lightrunner.h"

#include <stdbool.h>

/* The exit code of our own failures, apart from those of the programs that are run. */
#define CLI_FAILED 125

struct verb {
    const char *name;
    int (*function)(int argc, char **argv);
    const char *description; /* one line of `light-runner help` */
};

int verb_run(int argc, char **argv);
int verb_image(int argc, char **argv);
int verb_doctor(int argc, char **argv);
int verb_reap(int argc, char **argv);
int verb_attach(int argc, char **argv);
int verb_logs(int argc, char **argv);
int verb_control(int argc, char **argv); /* stop, cancel, pause, resume */
int verb_ls(int argc, char **argv);
int verb_clean(int argc, char **argv);
int verb_setup(int argc, char **argv);
int verb_verify(int argc, char **argv);
int verb_network(int argc, char **argv);
int verb_version(int argc, char **argv);

/* A runner that finds the supervisor also where nothing is installed. engine, tier: NULL for the default. */
int cli_runner(lr_runner **out, const char *engine, const char *tier, lr_error *err);

/*
 * Prints `light-runner: CODE: message (hint)` on stderr, with json also {"error": {...}} on stdout.
 * Returns CLI_FAILED.
 */
int cli_fail(const lr_error *e, bool json);

/* INVALID_ARGUMENT of the command line, with "try: light-runner VERB --help" as the hint. */
int cli_usage(const char *verb, bool json, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
