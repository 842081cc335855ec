/* SPDX-License-Identifier: MIT */
/* Shared by the verbs for detached runs. */
#ifndef CLI_DETACHED_H
#define CLI_DETACHED_H

#include "flags.h"

#include <stdbool.h>

/* The end of their help. */
#define DETACHED_NOTES "States are in $LIGHT_RUNNER_STATE_DIR, else in ~/.light-runner/state."

/* The flags of those that need no others. */
struct detached_words {
    bool json, help;
};
extern const struct flag detached_flags[];

/* Prints that there is no such run. Returns the exit code. */
int detached_unknown(const char *id, bool json);

#endif
