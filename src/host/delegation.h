/* SPDX-License-Identifier: MIT */
/*
 * Which limits a user other than root can set: those whose cgroups are delegated to the user.
 *
 *     v2   the cgroup of this process, if systemd has delegated it (Delegate=yes)
 *     v1   the folders /sys/fs/cgroup/<controller>/light-runner, if they belong to the user
 *
 * A limit that cannot be set is rejected, unless the request allows that by name. root can set all.
 */
#ifndef HOST_DELEGATION_H
#define HOST_DELEGATION_H

#include "base/error.h"
#include "host/cgroup.h"

/* Returns the folder of this user's cgroups: the `root` of cgroup_create() and cgroup_reap().
 * malloc'd; NULL when memory is out. */
char *delegation_root(void);

/* Returns the set of purposes for which no cgroup below `root` can be made. */
unsigned delegation_lacking(const char *root);

/*
 * Returns the root, ready for use, and the purposes that must be left out there. `allowed` is the
 * set of limits that may be left out. Errors: CONTAINER_START_FAILED, with the names of the limits
 * and the command that delegates their cgroups.
 */
int delegation_open(char **root, unsigned *leave_out, unsigned allowed, lrun_error *err);

/* Writes the names of the limits in a set, for people ("memory,cpus"); and the command that makes
 * them work. */
void delegation_name_limits(char *out, size_t size, unsigned limits);
void delegation_hint(char *out, size_t size, const char *root);

#endif
