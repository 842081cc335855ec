/* SPDX-License-Identifier: MIT */
/*
 * The files that a sandbox sees and that its image does not contain: the agent and the usual
 * devices. Each run has its own inodes for them, in the supervisor's tmpfs. If runs shared an
 * inode, one run could lock it (flock(2)) or watch it (inotify(7)), and so talk to another run
 * without a network, or notice when others start. And if a kernel bug let a process change the
 * cached pages of a file that it may only read, the agent of every later run would be changed.
 */
#ifndef ENGINE_LOCAL_OWN_FILES_H
#define ENGINE_LOCAL_OWN_FILES_H

#include "base/error.h"

/* Copies the installed agent to `target`. Errors: CONTAINER_START_FAILED. */
int own_files_copy_agent(const char *target, lrun_error *err);

/* Creates a node for each of box_devices[] in `folder`, whose mount must allow device nodes.
 * Requires root. Errors: CONTAINER_START_FAILED. */
int own_files_make_devices(const char *folder, lrun_error *err);

#endif
