/* SPDX-License-Identifier: MIT */
/* The working directory: made with its parents, and kept open from PREPARE on. */
#ifndef AGENT_WORKDIR_H
#define AGENT_WORKDIR_H

#include "failure.h"
#include "user.h"

/* *fd becomes the folder `path` (absolute, without ".."). If it was not there before, it belongs to
 * `user` now. Symlinks of the image are followed: whatever they lead to is in the sandbox. */
int workdir_open(int *fd, const char *path, const struct user *user, struct failure *failure);

#endif
