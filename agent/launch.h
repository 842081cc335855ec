/* SPDX-License-Identifier: MIT */
/*
 * The steps of the child before it becomes the user's command: from vfork() to exec().
 */
#ifndef AGENT_LAUNCH_H
#define AGENT_LAUNCH_H

#include "user.h"
#include "wire/fields.h"

#include <stdbool.h>

struct launch {
    char **argv; /* the strings are borrowed from the frame */
    char **envp;
    const char *path; /* the search path for programs */
    bool shell;       /* the program is a shell: also search in the folders of shells */
    const struct user *user;
    int workdir;
    bool tty;     /* its stdin is to be its controlling terminal */
    int stdio[3]; /* the child's ends, all above 2 */
    int status;   /* takes a launch_report if a step fails; exec closes it */
    char *home;   /* owned: HOME=... if the environment has none */
};

struct launch_report {
    enum launch_step { LAUNCH_STDIO = 1, LAUNCH_WORKDIR, LAUNCH_USER, LAUNCH_EXEC } step;
    int errnum;
};

/* Reads the fields of the START frame. Returns -1 with errno; EINVAL means that the frame has no
 * command. */
int launch_prepare(struct launch *l, const struct frame *f, const struct user *user);
void launch_free(struct launch *l);

/* Runs in the child. */
_Noreturn void launch_exec(const struct launch *l);

/* Fills *f with the report as a message for people, and returns -1. */
int launch_failure(const struct launch_report *report, const char *program, struct failure *f);

#endif
