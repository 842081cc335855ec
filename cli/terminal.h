/* SPDX-License-Identifier: MIT */
/*
 * `-t`: the command has a terminal. With -i, what is typed at this terminal goes to it as single keys, so
 * that Ctrl-C is the program's, and it follows the size of this terminal.
 */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include "lightrunner.h"

#include <jansson.h>
#include <stdbool.h>
#include <termios.h>

struct terminal {
    int input;   /* what is typed; -1: nothing is */
    int resized; /* readable when the size has changed; -1: it does not change */
    bool raw;
    struct termios before;
};

/*
 * Adds the size of this terminal and $TERM to a request whose `tty` is true. `input` is the command's
 * stdin, or -1; it is borrowed. Errors: INVALID_ARGUMENT if it is no terminal. Call
 * terminal_restore() in any case.
 */
int terminal_init(struct terminal *t, int input, json_t *request, lrun_error *err);

/* The command runs: from now on its keys are its own. */
void terminal_begin(struct terminal *t);

/* lrun_execution_wait() that passes on each change of the size. */
int terminal_wait(struct terminal *t, lrun_execution *x, lrun_result **result, lrun_error *err);

/* Makes the terminal what it was. Does nothing the second time. */
void terminal_restore(struct terminal *t);

#endif
