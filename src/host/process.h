/* SPDX-License-Identifier: MIT */
/*
 * Child processes. Every child has a pidfd, every wait has a deadline, and there is no shell: a
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
    int pidfd; /* -1: no process, or already waited for */
};

/* How a process ended. `code` is the exit code, or 128+N after signal N. */
struct process_status {
    int code;
    int signal; /* 0: it exited by itself */
};

/* Returns the full path of a program, malloc'd: `name` itself if it has a slash, else the file
 * found in PATH. NULL if there is none. */
char *process_find_program(const char *name);

/*
 * Forks, into new namespaces if `namespaces` has CLONE_NEW... flags. Returns 0 in the child, its
 * pid in the parent, -1 with errno. The child is killed when its parent dies, even if the parent
 * dies during this call. In the child no signal is blocked, and SIGPIPE, SIGINT and SIGTERM have
 * their default action, whatever the caller set.
 */
pid_t process_clone(struct process *out, uint64_t namespaces);

/* Like process_clone(). The child begins in the cgroup (v2) whose folder is open as `cgroup`; -1:
 * in the caller's. That is faster than a move into the cgroup. */
pid_t process_clone_into(struct process *out, uint64_t namespaces, int cgroup);

/*
 * Overwrites the environment that this process was started with, which may hold the caller's
 * secrets. For a forked child that executes no program: otherwise its /proc/PID/environ would show
 * the secrets for as long as it lives.
 */
void process_forget_environment(void);

/* Waits for the end. Returns 0, or -1 with errno (ETIMEDOUT: the process is still running). */
int process_wait(struct process *p, int64_t deadline, struct process_status *status);

/* Sends SIGKILL. Does nothing if the process has already ended. */
void process_kill(const struct process *p);

/* Kills, waits and closes. Idempotent. */
void process_destroy(struct process *p);

/* The environment of every helper program that needs no more: a search path and the C locale. */
extern char *const process_bare_environment[];

#endif
