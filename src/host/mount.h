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

/* Returns a copy of a mount that no path leads to, or -1 with errno. Whatever is mounted in it later
 * appears nowhere else. `recursive`: AT_RECURSIVE for the mounts in it, too; `attributes`:
 * MOUNT_ATTR_... */
int mount_detached(const char *path, unsigned recursive, uint64_t attributes);

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

/* Shows an open folder at `target`, read-only. Errors: CONTAINER_START_FAILED. */
int mount_folder(int folder, const char *target, lrun_error *err);

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
