/* SPDX-License-Identifier: MIT */
/* The storage for the files that a run writes: a file system of a fixed size, which ends with the run. */
#ifndef HOST_SCRATCH_H
#define HOST_SCRATCH_H

#include "base/error.h"
#include "host/process.h"

#include <stdint.h>
#include <sys/types.h>

enum { SCRATCH_TEMPLATES = 8 };

/* What a fresh file system contains. Making folders in a template, once, is cheaper than making them
 * in each run: the first folders of an ext4 take a millisecond. */
struct scratch_layout {
    const char *name; /* part of the template's name: another layout needs another name */
    /* A folder comes after the one that it is in. The last path is NULL. All belong to root. */
    struct {
        const char *path;
        mode_t mode;
    } folders[8];
};

/*
 * A fresh ext4 of that size is in an unnamed file in `folder`, behind a loop device that frees itself,
 * so nothing of it is left whatever happens. A file system of each size and layout (NULL: empty) is
 * kept in `folder` as a template; of all templates, the SCRATCH_TEMPLATES that were used last.
 */
struct scratch_spec {
    const char *folder;
    uint64_t bytes;
    const struct scratch_layout *layout;
};

/* Mounts it at `target`, an empty folder. *root is the open root of the file system. Errors:
 * VOLUME_CREATE_FAILED. */
int scratch_mount(const struct scratch_spec *spec, const char *target, int *root, lrun_error *err);

/* A file system that another process is making. */
struct scratch_birth {
    struct process child;
    int socket;
};

#define SCRATCH_BIRTH_NONE ((struct scratch_birth){.child.pidfd = -1, .socket = -1})

/*
 * scratch_mount() in two steps: it waits for the disk and for the kernel, and meanwhile the caller can
 * do something else. The second step mounts the file system. If there is no template, it does
 * everything. `spec` is the same for both steps. Errors: VOLUME_CREATE_FAILED.
 */
int scratch_begin(struct scratch_birth *out, const struct scratch_spec *spec, lrun_error *err);
int scratch_finish(struct scratch_birth *b, const struct scratch_spec *spec, const char *target,
                   int *root, lrun_error *err);

/* Ends what scratch_begin() has begun. Does nothing for SCRATCH_BIRTH_NONE, or a second time. */
void scratch_abandon(struct scratch_birth *b);

/* Only makes the file, with an empty file system, open for reading and writing. Errors:
 * VOLUME_CREATE_FAILED. */
int scratch_file(const char *folder, uint64_t bytes, int *out, lrun_error *err);

/* Mounts a tmpfs instead. Its memory is charged to the process that writes. */
int scratch_mount_memory(uint64_t bytes, const char *target, lrun_error *err);

/*
 * Shuts down the file system, given its open root (-1: there is none), if it holds much data. Data not
 * yet written to its file is dropped, and the unmount does not wait for it. Nothing in it can be read
 * after that. It takes an fd and not a path, so that it cannot hit another file system.
 */
void scratch_discard(int root);

#endif
