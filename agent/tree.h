/* SPDX-License-Identifier: MIT */
/*
 * Kills processes by descent. A command may put its processes into sessions and groups of their own
 * and let them be orphaned; below a subreaper (subreaper.h) they remain its descendants nevertheless.
 */
#ifndef AGENT_TREE_H
#define AGENT_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Sends SIGKILL to all living descendants of `root`, but not to `root` itself, nor to the `count`
 * processes in `spared` and their descendants. Returns whether there were any: a process may have
 * been forked while the others were found, so the caller repeats this until there are none. Also
 * returns true if the processes cannot be listed.
 */
bool tree_kill(pid_t root, const pid_t *spared, size_t count);

/* Sends another signal to them, once. */
void tree_signal(pid_t root, int signal);

#endif
