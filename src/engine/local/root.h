/* SPDX-License-Identifier: MIT */
/*
 * The root of a sandbox on the host's kernel: an overlay whose lower layer is the image's files and
 * whose upper layer is on a file system of the run's own.
 */
#ifndef ENGINE_LOCAL_ROOT_H
#define ENGINE_LOCAL_ROOT_H

#include "engine/local/backend.h"

/* Begins to make the storage of the root, which takes longest. */
int root_begin(struct local_plan *p, lrun_error *err);

/* Mounts the root at LOCAL_ROOT, with the mount points that the runtime needs. */
int root_mount(struct local_plan *p, lrun_error *err);

/* Mounts the root again after the sandbox has ended, without those mount points. */
int root_mount_for_commit(const struct local_sandbox *s, lrun_error *err);

#endif
