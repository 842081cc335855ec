/* SPDX-License-Identifier: MIT */
/*
 * One file per verb, one table of verbs (main.c). A verb gets argv with its own name first, and
 * returns the exit code of the process.
 */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include "lightrunner.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

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

/*
 * The two ways of writing text to the user. Nearly all of it has parts that an image, a sandbox, a registry or a
 * daemon has chosen, and stdout may be a terminal. tests/layers rejects other ways.
 *
 * cli_line() writes one line, printable (text_make_printable()). cli_json() writes a document to stdout, in which
 * characters that a terminal obeys are escaped, so that a reader gets them as they are; `flags` are those of
 * json_dumps(). It takes over the document, which may be NULL (out of memory), and returns the exit code.
 * cli_json_text() does the same with a document's text. None of them flushes.
 */
void cli_line(FILE *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
int cli_json(json_t *document, size_t flags);
int cli_json_text(const char *text);

/* A runner that finds the supervisor also where nothing is installed. engine, tier: NULL for the default. */
int cli_runner(lrun_runner **out, const char *engine, const char *tier, lrun_error *err);

/*
 * Prints `light-runner: CODE: message (hint)` on stderr, with json also {"error": {...}} on stdout.
 * Returns CLI_FAILED.
 */
int cli_fail(const lrun_error *e, bool json);

/* INVALID_ARGUMENT of the command line, with "try: light-runner VERB --help" as the hint. */
int cli_usage(const char *verb, bool json, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
