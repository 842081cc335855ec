/* SPDX-License-Identifier: MIT */
/*
 * A pipe between the agent and the command. Every user in the sandbox can open it by a name like
 * /dev/stdout, because the command may begin as root and go on as another user. The only path to it
 * leads through /proc/PID/fd of a process that holds it, so other processes cannot find it.
 */
#ifndef AGENT_PIPE_H
#define AGENT_PIPE_H

#include "user.h"

#include <stdbool.h>

/*
 * Makes the pipe, which belongs to `user`. ends[0] is for reading, ends[1] for writing; exec closes
 * both. Returns 0, or -1 with errno.
 *
 * In gVisor every user can open the command's `output` only. Root and `user` alone can open its
 * input.
 */
int pipe_make(int ends[2], const struct user *user, bool output);

#endif
