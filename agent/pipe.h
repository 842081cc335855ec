/* SPDX-License-Identifier: MIT */
/*
 * A pipe between the agent and the command that every user in the sandbox can open by a name like /dev/stdout: the command may
 * begin as root and go on as somebody else. The way to it is by the files of a process that has it, so nobody else finds it.
 */
#ifndef AGENT_PIPE_H
#define AGENT_PIPE_H

#include "user.h"

#include <stdbool.h>

/*
 * ends[0] is for reading, ends[1] for writing; both are closed by exec. It belongs to `user`. -1 with errno.
 *
 * In gVisor that holds for the command's `output` alone. Its input is open to root and to `user`.
 */
int pipe_make(int ends[2], const struct user *user, bool output);

#endif
