/* SPDX-License-Identifier: MIT */
/*
 * The mounts of one sandbox. All of them are made in the supervisor's own mount namespace, in a
 * tmpfs that only the supervisor sees. They vanish with the supervisor, however it ends.
 */
#ifndef HOST_MOUNT_H
#define HOST_MOUNT_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* Enters a mount namespace of our own. Mounts made in it are not visible outside. */
int mount_private_namespace(lrun_error *err);

/* Mount namespaces that are copied from this one also see later mounts below `target`. */
int mount_share(const char *target, lrun_error *err);

int mount_tmpfs(const char *target, const char *options, lrun_error *err);

/* Mounts a tmpfs for device nodes: they cannot be opened on our other mounts. */
int mount_devices(const char *target, lrun_error *err);

/* Gives a namespace a path, by which it can be joined. Errors: CONTAINER_START_FAILED. */
int mount_namespace(int namespace, const char *target, lrun_error *err);

/*
 * Remounts `target` with its owners shifted into a user namespace: files that belong to root in the
 * mount belong to the namespace's root. Errors: CONTAINER_START_FAILED.
 */
int mount_shift_owners(const char *target, int user_namespace, lrun_error *err);

/* Mounts an EROFS image file, read-only: directly, or through a loop device if the kernel (before
 * 6.12) cannot mount a file. Errors: CONTAINER_START_FAILED. */
int mount_erofs(int image_fd, const char *target, lrun_error *err);

/* Always uses a loop device. The device frees itself at the unmount. */
int mount_erofs_loop(int image_fd, const char *target, lrun_error *err);

enum { MOUNT_TEMPLATES = 8 };

/*
 * Mounts a fresh file system of the given size for the files that the run writes. It is in an
 * unnamed file in `folder`, behind a loop device that frees itself, so nothing of it is left
 * whatever happens. An empty file system of each size is kept in `folder` as a template, for at
 * most MOUNT_TEMPLATES sizes. *root is the open root of the file system. Errors:
 * VOLUME_CREATE_FAILED.
 */
int mount_scratch(const char *folder, uint64_t bytes, const char *target, int *root,
                  lrun_error *err);

/* Only makes the file of mount_scratch(), open for reading and writing. Errors:
 * VOLUME_CREATE_FAILED. */
int mount_scratch_file(const char *folder, uint64_t bytes, int *out, lrun_error *err);

/* Like mount_scratch() without a loop device: a tmpfs. Its memory is charged to the process that
 * writes. */
int mount_scratch_memory(uint64_t bytes, const char *target, lrun_error *err);

/* Shows an open folder at `target`, read-only. Errors: CONTAINER_START_FAILED. */
int mount_folder(int folder, const char *target, lrun_error *err);

/*
 * Shuts down the file system of mount_scratch(), given its open root (-1: there is none), if it
 * holds much data. Data not yet written to its file is dropped, and the unmount does not wait for
 * it. Nothing in it can be read after that. It takes an fd and not a path, so that it cannot hit
 * another file system.
 */
void mount_scratch_discard(int scratch);

/*
 * Overlays `upper` on `lower`. Nothing is ever synced to disk, because the overlay dies with the
 * run. As root, folders of `lower` can be renamed, and a file of `lower` with several names keeps
 * them all when it is written to. Errors: CONTAINER_START_FAILED.
 */
int mount_overlay(const char *lower, const char *upper, const char *work, const char *target,
                  bool nosuid, lrun_error *err);

/*
 * Prepares a second mount of the same layers. An overlay without syncs needs a fresh work folder,
 * so this moves the index there, which records which names belong to one file. The overlay must not
 * be mounted. Errors: IO_FAILED.
 */
int mount_overlay_move_index(const char *work, const char *fresh, lrun_error *err);

#endif
