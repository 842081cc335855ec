/* SPDX-License-Identifier: MIT */
/*
 * Which limits a user other than root can set: those whose cgroups have been handed over to the user.
 *
 *     v2   the cgroup of this process, where systemd has delegated it (Delegate=yes)
 *     v1   the folders /sys/fs/cgroup/<controller>/light-runner, where they belong to the user
 *
 * What cannot be set is refused, unless it was allowed by name. As root everything can be set.
 */
#ifndef HOST_DELEGATION_H
#define HOST_DELEGATION_H

#include "base/error.h"
#include "host/cgroup.h"

/* The folder beneath which this user's cgroups are: the `root` of cgroup_create() and cgroup_reap().
 * malloc'd; NULL when memory is out. */
char *delegation_root(void);

/* The purposes that no cgroup beneath `root` can be made for: a set. */
unsigned delegation_lacking(const char *root);

/*
 * The root, ready for use, and what has to be left out there. `allowed`: the limits that may be.
 * Errors: CONTAINER_START_FAILED, with the limits' names and the command that hands their cgroups over.
 */
int delegation_open(char **root, unsigned *leave_out, unsigned allowed, lrun_error *err);

/* The names of the limits in a set, for people ("memory, cpus"), and the command that makes them work. */
void delegation_name_limits(char *out, size_t size, unsigned limits);
void delegation_hint(char *out, size_t size, const char *root);

#endif
