/* SPDX-License-Identifier: MIT */
/*
 * The root of a sandbox beside the host's kernel: the image's files under an overlay whose upper layer is a file system of
 * the run's own.
 */
#ifndef ENGINE_LOCAL_ROOT_H
#define ENGINE_LOCAL_ROOT_H

#include "engine/local/backend.h"

/* At LOCAL_ROOT, with the mount points that the runtime needs. */
int root_mount(struct local_plan *p, lrun_error *err);

/* The sandbox has ended: mounts the root anew, without those mount points. */
int root_mount_for_commit(const struct local_sandbox *s, lrun_error *err);

#endif
