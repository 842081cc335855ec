/* SPDX-License-Identifier: MIT */
/*
 * The child's side of spawn.confinement, for spawn.c alone. The functions return 0, or -1 with errno.
 */
#ifndef HOST_SPAWN_CONFINE_H
#define HOST_SPAWN_CONFINE_H

#include "host/spawn.h"

#include <linux/sched.h>

#define SPAWN_NAMESPACES                                                                           \
    (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

/* Where the child finds the program to execute. */
#define SPAWN_PROGRAM "/helper"

/* Enters everything but the filter. `parent`: a pidfd of the process that has started this one. */
int spawn_confine(const struct spawn *spawn, const char *program, int parent);

int spawn_put_on_filter(const struct spawn_walls *walls);

#endif
