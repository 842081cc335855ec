/* SPDX-License-Identifier: MIT */
/*
 * Runs a program to its end: with open files, walls and limits of its own (spawn_run()), or with nothing but arguments
 * (spawn_program()). The child dies together with this process.
 */
#ifndef HOST_SPAWN_H
#define HOST_SPAWN_H

#include "base/error.h"
#include "host/process.h"
#include "host/spawn_confine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SPAWN_TEXT_SIZE = 4096,
    SPAWN_KILLED = 1000, /* + the signal: how spawn_run() gives a death by signal */
};

struct spawn {
    const char *program;            /* its file; NULL: that of argv[0] */
    const char *const *argv;        /* argv[0] is searched in PATH unless it has a slash */
    const char *const *environment; /* the child's whole environment */
    int stdin_fd;                   /* -1: /dev/null */
    const int *more_fds;            /* become 3 and the numbers behind it; borrowed */
    size_t more_count;              /* at most SPAWN_MORE_MAX */
    int output_fd;                  /* takes its stdout; 0: the result does */
    const char *folder;             /* to work in; NULL: the caller's own */
    uint64_t max_file_bytes;        /* no file may grow beyond; 0: no limit but the caller's */
    int64_t timeout_ms;
    uint64_t capabilities; /* bits of those that it may have at most */
    bool trusted; /* it may gain privileges by its file, as newuidmap does, and keeps our limits */
    const struct spawn_walls *confinement; /* NULL: none, and it works on the host */
    const struct spawn_walls
        *calls; /* without a confinement: the filter alone is put on, or none */
    const struct spawn_tree
        *trees; /* what it can reach in its confinement, beside its open files */
    size_t tree_count;
    uint64_t max_memory;     /* of its address space, in a confinement; 0: it limits itself */
    int (*tick)(void *user); /* called a few times a second; other than 0: kill it. May be NULL */
    void *user;
};

/* The child's output, NUL-terminated and printable (text_make_printable()). */
struct spawn_result {
    int code;                     /* its exit code, or SPAWN_KILLED + signal */
    char output[SPAWN_TEXT_SIZE]; /* of stdout, from its beginning */
    char text[SPAWN_TEXT_SIZE];   /* of stderr, from its beginning */
};

/* 0 when it ran to its end, however it ended. Errors: IO_FAILED (not started, took too long, or
 * stopped by tick), NOT_SUPPORTED (not installed). */
int spawn_run(const struct spawn *spawn, struct spawn_result *result, lrun_error *err);

/* Starts it, and does not wait: its stdout is /dev/null without an output_fd, and its stderr is ours. A timeout and a tick
 * mean nothing. Errors: as spawn_run(). */
int spawn_start(const struct spawn *spawn, struct process *out, lrun_error *err);

/*
 * The same as spawn_run() for a program that we trust, with /dev/null as stdin, a bare environment, the beginning of its stdout in
 * `output` as it is (size bytes, always NUL-terminated; may be NULL) and the first line of its stderr in the error.
 * Fails with `code` if it cannot be started, takes longer than timeout_ms or exits with a code other than 0.
 */
int spawn_program(const char *const *argv, int64_t timeout_ms, char *output, size_t size,
                  lrun_code code, lrun_error *err);

#endif
