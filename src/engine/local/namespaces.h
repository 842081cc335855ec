/* SPDX-License-Identifier: MIT */
/* The ids of a sandbox, its user namespace and, if it has a network, its network namespace. */
#ifndef ENGINE_LOCAL_NAMESPACES_H
#define ENGINE_LOCAL_NAMESPACES_H

#include "engine/local/backend.h"

/* Without root: limits the number of processes of the run's user. Call it before the namespaces are
 * made, so that the limit applies in them. */
int namespaces_limit_processes(struct local_plan *p, lrun_error *err);

/* Reserves the ids and, if the sandbox needs namespaces, starts a child that makes them while this
 * process continues. */
int namespaces_begin(struct local_plan *p, lrun_error *err);

/* Waits for the namespaces, and starts the network, which takes longest to come up. */
int namespaces_finish(struct local_plan *p, lrun_error *err);

#endif
