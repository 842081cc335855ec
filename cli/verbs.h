/* SPDX-License-Identifier: MIT */
/*
 * One file per verb, one table of verbs (main.c). A verb gets argv with its own name first, and
 * returns the exit code of the process.
 */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include "flags.h"

#include "lightrunner.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* The exit code of our own failures, as opposed to failures of the programs that are run. */
#define CLI_FAILED 125

struct verb {
    const struct command *command; /* its name and flags */
    int (*function)(int argc, char **argv);
    const char *description; /* one line of `light-runner help` */
};

/* The table; the last one has no command. */
extern const struct verb verbs[];

extern const struct command run_command, attach_command, logs_command, stop_command, cancel_command,
    pause_command, resume_command, ls_command, clean_command, image_command, doctor_command,
    setup_command, verify_command, network_command, reap_command, version_command, rpc_command,
    completion_command, pool_command, session_command, session_open_command, session_run_command;

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
int verb_completion(int argc, char **argv);
int verb_session(int argc, char **argv);
int verb_pool(int argc, char **argv);
int verb_rpc(int argc, char **argv);
int verb_version(int argc, char **argv);

/*
 * The two ways to write text to the user. Nearly all text has parts that come from an image, a
 * sandbox, a registry or a daemon, and stdout may be a terminal. tests/layers rejects other ways.
 *
 * cli_line() writes one line and makes it printable (text_make_printable()). cli_json() writes a
 * document to stdout and escapes the characters that a terminal obeys, so that a JSON parser
 * restores them; `flags` are those of json_dumps(). It takes the document's reference, which may be
 * NULL (out of memory), and returns the exit code. cli_json_text() does the same with a document's
 * text. None of them flushes.
 */
void cli_line(FILE *to, const char *format, ...) __attribute__((format(printf, 2, 3)));
int cli_json(json_t *document, size_t flags);
int cli_json_text(const char *text);

/*
 * Prints `light-runner: CODE: message (hint)` on stderr, with json also {"error": {...}} on stdout.
 * Returns CLI_FAILED.
 */
int cli_fail(const lrun_error *e, bool json);

/* How many of something were removed. A NULL name ends a list. */
struct count {
    const char *name;
    unsigned number;
};

/*
 * Prints counts, as one line or as a JSON object. With an error (may be NULL), the counts tell what
 * was done before or in spite of it: they are printed if there is anything to tell, and the object
 * has `error`, too. Returns the exit code.
 */
int cli_counts(const struct count *counts, const lrun_error *e, bool json);

/*
 * Reads a verb's flags into its struct (flags_parse()), and prints the help if asked for. Returns
 * true if the verb must continue; its arguments are then in argv[1] to argv[*argc - 1]. Returns
 * false if the verb must return *code.
 */
bool cli_parse(const struct command *c, void *into, int *argc, char **argv, int *code);

/* Reports INVALID_ARGUMENT for the command line, with "try: light-runner VERB --help" as the hint.
 * Returns CLI_FAILED. */
int cli_usage(const char *verb, bool json, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The values of --engine and of a tier, which a shell offers. */
#define CLI_ENGINES "auto local docker"
#define CLI_TIERS   "runc runsc kata"

#endif
