/* SPDX-License-Identifier: MIT */
/*
 * The way from fork() to exec(): what the child does before it becomes the user's command.
 */
#ifndef AGENT_LAUNCH_H
#define AGENT_LAUNCH_H

#include "user.h"
#include "wire/fields.h"

#include <stdbool.h>

struct launch {
    char **argv; /* the strings are borrowed from the frame */
    char **envp;
    const char *path; /* where programs are searched for */
    bool shell;       /* the program is a shell: also searched for where shells are */
    const struct user *user;
    int workdir;
    int stdio[3]; /* the child's ends, all above 2 */
    int status;   /* a launch_report goes here if it fails; closed by exec if not */
    char *home;   /* owned: HOME=... when the environment has none */
};

struct launch_report {
    enum launch_step { LAUNCH_STDIO = 1, LAUNCH_WORKDIR, LAUNCH_USER, LAUNCH_EXEC } step;
    int errnum;
};

/* Reads the START frame's fields. Returns -1 with errno: EINVAL for a frame without a command. */
int launch_prepare(struct launch *l, const struct frame *f, const struct user *user);
void launch_free(struct launch *l);

/* In the child. */
_Noreturn void launch_exec(const struct launch *l);

/* What the report says, for people. */
int launch_failure(const struct launch_report *report, const char *program, struct failure *f);

#endif
