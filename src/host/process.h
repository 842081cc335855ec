/* SPDX-License-Identifier: MIT */
/*
 * Child processes. Every child has a pidfd, every wait a deadline, and no shell is involved: a
 * program is searched in PATH once and executed by its full path.
 */
#ifndef HOST_PROCESS_H
#define HOST_PROCESS_H

#include "base/error.h"
#include "base/process_identity.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct process {
    pid_t pid;
    int pidfd; /* -1: none, or already waited for */
};

/* How a process ended: as exit code, 128+N after signal N. */
struct process_status {
    int code;
    int signal; /* 0: it exited by itself */
};

/* The full path of a program: `name` itself when it has a slash, else searched in PATH. malloc'd;
 * NULL when there is none. */
char *process_find_program(const char *name);

/*
 * Forks, into new namespaces if `namespaces` (CLONE_NEW... flags) says so. 0 in the child, its pid in the
 * parent, -1 with errno. The child is killed when its parent dies, also if that is right now, and
 * has every signal that a caller may have blocked or ignored back at its default.
 */
pid_t process_clone(struct process *out, uint64_t namespaces);

/*
 * Overwrites the environment that this process was started with, which may hold the caller's secrets. For a forked
 * child that executes nothing: its /proc/PID/environ would show them for as long as it lives.
 */
void process_forget_environment(void);

/* Waits for the end. 0, or -1 with errno (ETIMEDOUT: it is still running). */
int process_wait(struct process *p, int64_t deadline, struct process_status *status);

/* SIGKILL; nothing happens when it has ended already. */
void process_kill(const struct process *p);

/* Kills, waits and closes. Idempotent. */
void process_destroy(struct process *p);

/* The environment of every helper program that needs none: a search path and the C locale. */
extern char *const process_bare_environment[];

#endif
