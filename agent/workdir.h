/* SPDX-License-Identifier: MIT */
/* The working directory: made with its parents, and kept open from PREPARE on. */
#ifndef AGENT_WORKDIR_H
#define AGENT_WORKDIR_H

#include "failure.h"
#include "user.h"

struct workdir {
    int fd;
    char *path;
};

/*
 * Opens the folder `path` (absolute, without ".."), and makes it if it is not there. `user` can make files in it from now
 * on, unless it is "/". Symlinks of the image are followed: whatever they lead to is in the sandbox. `otherwise`: the folder to
 * take if `path` is not a folder; NULL: that is a failure.
 */
int workdir_open(struct workdir *w, const char *path, const char *otherwise,
                 const struct user *user, struct failure *failure);

#endif
