/* SPDX-License-Identifier: MIT */
/*
 * Files that a sandbox gets to see and that are not of its image: the agent and the usual devices. Each run has inodes of
 * its own for them, in the supervisor's tmpfs. If runs shared an inode, one of them could lock it (flock(2)) or watch it
 * (inotify(7)), and so talk to another run without a network, or see when others start; and a hole in the kernel through
 * which a process changes the cached pages of a file that it may only read would change the agent of every later run.
 */
#ifndef ENGINE_LOCAL_OWN_FILES_H
#define ENGINE_LOCAL_OWN_FILES_H

#include "base/error.h"

/* Copies the agent from where it is installed to `target`. Errors: CONTAINER_START_FAILED. */
int own_files_copy_agent(const char *target, lrun_error *err);

/*
 * Makes null, zero and so on in `folder`, which honours device nodes, and mounts them over those of /dev: an OCI runtime
 * that is started in this mount namespace takes them for the host's. It takes root. Errors: CONTAINER_START_FAILED.
 */
int own_files_make_devices(const char *folder, lrun_error *err);

#endif
