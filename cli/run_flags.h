/* SPDX-License-Identifier: MIT */
/*
 * The command line of `light-runner run` as the request document that it stands for: one table row
 * (run_command) per flag. The values are checked by the library, as those of any other request are.
 */
#ifndef CLI_RUN_FLAGS_H
#define CLI_RUN_FLAGS_H

#include "lightrunner.h"

#include <jansson.h>

struct run_flags {
    json_t *document; /* the whole request */
    int input_fd;     /* -1: none */
    bool json;
    bool timing;
    bool help;

    /* while the flags are read */
    json_t *given; /* the fields that flags have set: they go over those of --request */
    bool no_ignore;
    bool argv; /* the words after the image are not for a shell */
    const char *request_file;
    const char *input_file;
};

/*
 * Reads argv (the verb's own name first). On failure too, `json` says whether --json was among the
 * flags. Free with run_flags_free() in any case.
 */
int run_flags_parse(struct run_flags *f, int argc, char **argv, lrun_error *err);
void run_flags_free(struct run_flags *f);
#define cleanup_run_flags __attribute__((cleanup(run_flags_free)))

#endif
