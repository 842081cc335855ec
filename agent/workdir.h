/* SPDX-License-Identifier: MIT */
/* The working directory. The agent creates it with its parents at PREPARE, and keeps it open. */
#ifndef AGENT_WORKDIR_H
#define AGENT_WORKDIR_H

#include "failure.h"
#include "user.h"

struct workdir {
    int fd;
    char *path;
};

/*
 * Opens the folder `path` (absolute, without ".."), and creates it if it does not exist. Afterwards
 * `user` can create files in it, unless it is "/". Symlinks of the image are followed, because they
 * cannot lead out of the sandbox. If `path` is not a folder, `otherwise` is opened instead; NULL
 * makes that a failure.
 */
int workdir_open(struct workdir *w, const char *path, const char *otherwise,
                 const struct user *user, struct failure *failure);

/* Opens the folder for one command: creates it like workdir_open() if nothing is there, and changes
 * nothing about a folder that exists. Returns the fd, or -1. */
int workdir_enter(const char *path, const struct user *user, struct failure *failure);

#endif
