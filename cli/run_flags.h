/* SPDX-License-Identifier: MIT */
/*
 * Turns the command line of `light-runner run`, `session open` or `session run` into a request
 * document, with one table row per flag. The library checks the values, as in any other request.
 */
#ifndef CLI_RUN_FLAGS_H
#define CLI_RUN_FLAGS_H

#include "flags.h"

#include "lightrunner.h"

#include <jansson.h>

struct run_flags {
    json_t *document; /* the whole request */
    int input_fd;     /* -1: none */
    bool json;
    bool timing;
    bool tty;
    bool help;
    lrun_pool_options pool; /* of `pool` */
    const char *id;         /* of the session of `session run`; NULL: there is none */

    /* while the flags are read */
    const struct command *command;
    json_t *given; /* the fields that flags have set; they override those of --request */
    bool no_ignore;
    bool argv; /* the words after the image are not for a shell */
    const char *request_file;
    const char *input_file;
};

/*
 * Reads argv (the verb's own name first). `json` says whether --json was among the flags, even if
 * this fails. Free with run_flags_free() in any case.
 */
int run_flags_parse(struct run_flags *f, const struct command *command, int argc, char **argv,
                    lrun_error *err);
void run_flags_free(struct run_flags *f);
#define cleanup_run_flags __attribute__((cleanup(run_flags_free)))

#endif
