/* SPDX-License-Identifier: MIT */
/*
 * Runs a program to its end: with open files, walls and limits of its own (spawn_run()), or with
 * only arguments (spawn_program()). The child dies with this process.
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
    SPAWN_KILLED = 1000, /* spawn_run() reports a death by signal as this plus the signal */
};

struct spawn {
    const char *program;            /* its file; NULL: argv[0] names it */
    const char *const *argv;        /* argv[0] is searched in PATH unless it has a slash */
    const char *const *environment; /* the child's whole environment */
    int stdin_fd;                   /* -1: /dev/null */
    const int *more_fds;            /* become 3 and the following numbers; borrowed */
    size_t more_count;              /* at most SPAWN_MORE_MAX */
    int output_fd;                  /* becomes its stdout; 0: the output goes to the result */
    const char *folder;             /* its working directory; NULL: the caller's */
    uint64_t max_file_bytes;        /* no file may grow larger; 0: only the caller's limit */
    int64_t timeout_ms;
    uint64_t capabilities; /* bits: the most that it may have */
    bool trusted; /* may gain privileges from its file, as newuidmap does, and keeps our limits */
    const struct spawn_walls *confinement; /* NULL: it works on the host, unconfined */
    const struct spawn_walls *calls;       /* without a confinement: only the filter is installed;
                                              NULL: none */
    const struct spawn_tree *trees;        /* what it can reach in its confinement, apart from its
                                              open files */
    size_t tree_count;
    uint64_t max_memory;     /* of its address space, if confined; 0: it limits itself */
    int (*tick)(void *user); /* called a few times a second; not 0: kill it. May be NULL */
    void *user;
};

/* The child's output, NUL-terminated. spawn_run() makes it printable (text_make_printable()). */
struct spawn_result {
    int code;                     /* its exit code, or SPAWN_KILLED + signal */
    char output[SPAWN_TEXT_SIZE]; /* of stdout, from its beginning */
    char text[SPAWN_TEXT_SIZE];   /* of stderr, from its beginning */
};

/* Returns 0 if the program ran to its end, however it ended. Errors: IO_FAILED (not started, took
 * too long, or stopped by tick), NOT_SUPPORTED (not installed). */
int spawn_run(const struct spawn *spawn, struct spawn_result *result, lrun_error *err);

/* Starts the program and does not wait. Its stdout is output_fd, or /dev/null if there is none; its
 * stderr is ours. timeout_ms and tick are ignored. Errors: as spawn_run(). */
int spawn_start(const struct spawn *spawn, struct process *out, lrun_error *err);

/*
 * Like spawn_run(), for a program that we trust. Its stdin is /dev/null and its environment is
 * bare. The beginning of its stdout goes to `output` unchanged (size bytes, always NUL-terminated;
 * may be NULL), and the first line of its stderr to the error. Fails with `code` if the program
 * cannot be started, takes longer than timeout_ms, or exits with a code other than 0.
 */
int spawn_program(const char *const *argv, int64_t timeout_ms, char *output, size_t size,
                  lrun_code code, lrun_error *err);

#endif
