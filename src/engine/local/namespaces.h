/* SPDX-License-Identifier: MIT */
/* The ids of a sandbox, its user namespace and, with a network, its network namespace. */
#ifndef ENGINE_LOCAL_NAMESPACES_H
#define ENGINE_LOCAL_NAMESPACES_H

#include "engine/local/backend.h"

/* Without root: limits the processes of the run's user. Before the namespaces are made, as the limit is to hold in them. */
int namespaces_limit_processes(struct local_plan *p, lrun_error *err);

/* Takes the ids and, unless the sandbox needs no namespaces, begins to make them: a child does, while this process goes on. */
int namespaces_begin(struct local_plan *p, lrun_error *err);

/* Waits for them, and starts the network, which takes longest to come up. */
int namespaces_finish(struct local_plan *p, lrun_error *err);

#endif
