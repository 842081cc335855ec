/* SPDX-License-Identifier: MIT */
/*
 * The mounts of one sandbox. All of them are made in the supervisor's own mount namespace, in a
 * tmpfs that only it sees: they vanish with the supervisor, however it ends.
 */
#ifndef HOST_MOUNT_H
#define HOST_MOUNT_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* A mount namespace of our own; mounts made here are not seen outside. */
int mount_private_namespace(lrun_error *err);

/* What is mounted below it from now on is seen in mount namespaces that are copied from this one. */
int mount_share(const char *target, lrun_error *err);

int mount_tmpfs(const char *target, const char *options, lrun_error *err);

/* A tmpfs for device nodes: elsewhere they cannot be opened. */
int mount_devices(const char *target, lrun_error *err);

/* Gives a namespace a name: it can be joined by that path. Errors: CONTAINER_START_FAILED. */
int mount_namespace(int namespace, const char *target, lrun_error *err);

/*
 * Shows the mount at `target` with its owners shifted into a user namespace: what belongs to root
 * in it belongs to the namespace's root. Errors: CONTAINER_START_FAILED.
 */
int mount_shift_owners(const char *target, int user_namespace, lrun_error *err);

/* Mounts an EROFS image file, read-only: straight from the file, or by a loop device where the
 * kernel (before 6.12) cannot. Errors: CONTAINER_START_FAILED. */
int mount_erofs(int image_fd, const char *target, lrun_error *err);

/* The second way alone. The device frees itself at the unmount. */
int mount_erofs_loop(int image_fd, const char *target, lrun_error *err);

enum { MOUNT_TEMPLATES = 8 };

/*
 * Mounts a fresh file system of the given size for what the run writes. It lives in a file without
 * a name in `folder` (so nothing is left of it whatever happens) behind a loop device that frees
 * itself. An empty file system of each size is kept in `folder` as a template, of
 * MOUNT_TEMPLATES sizes at most. *root is its root, open. Errors: VOLUME_CREATE_FAILED.
 */
int mount_scratch(const char *folder, uint64_t bytes, const char *target, int *root,
                  lrun_error *err);

/* The file of mount_scratch() alone, open for reading and writing. Errors: VOLUME_CREATE_FAILED. */
int mount_scratch_file(const char *folder, uint64_t bytes, int *out, lrun_error *err);

/* The same without a loop device: a tmpfs, whose memory is that of whoever writes to it. */
int mount_scratch_memory(uint64_t bytes, const char *target, lrun_error *err);

/* Shows an open folder at `target`, read-only. Errors: CONTAINER_START_FAILED. */
int mount_folder(int folder, const char *target, lrun_error *err);

/*
 * Shuts the file system of mount_scratch() down, given its open root (-1: there is none), if there is much in it: what has not
 * been written to its file yet never will be, and the unmount does not wait for that. Nothing in it can
 * be read any more. By an fd and not by a path, so that it can be no other file system.
 */
void mount_scratch_discard(int scratch);

/*
 * Overlays `upper` on `lower`. Nothing is ever synced to disk: it dies with the run. As root, folders of `lower` can be renamed,
 * and a file of `lower` with several names keeps them all when it is written to. Errors: CONTAINER_START_FAILED.
 */
int mount_overlay(const char *lower, const char *upper, const char *work, const char *target,
                  bool nosuid, lrun_error *err);

/*
 * For a second mount of the same layers with a fresh folder to work in, which an overlay without syncs wants: moves along which
 * names belong to one file. Nothing may be mounted. Errors: IO_FAILED.
 */
int mount_overlay_move_index(const char *work, const char *fresh, lrun_error *err);

#endif
