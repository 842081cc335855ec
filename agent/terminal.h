/* SPDX-License-Identifier: MIT */
/* Terminals of commands: pseudo-terminals of the sandbox's own devpts. The agent holds the master. */
#ifndef AGENT_TERMINAL_H
#define AGENT_TERMINAL_H

#include "failure.h"
#include "user.h"

/* Opens a terminal that belongs to the user. *master is non-blocking; *slave is for the command. A
 * child of the agent may have replaced the files in /dev, so only what is a terminal is taken. */
int terminal_open(int *master, int *slave, const struct user *user, struct failure *failure);

/* A size of 0 is not known. */
void terminal_resize(int master, unsigned rows, unsigned columns);

/* What the user types to end the input; twice after an unfinished line. Returns the number of bytes
 * in `keys`. 0: the program reads single keys, and no key has that meaning. */
unsigned terminal_end_keys(int master, int line_is_open, char keys[2]);

#endif
