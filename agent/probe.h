/* SPDX-License-Identifier: MIT */
/* The agent as the command of a run, in an image that has nothing else: `doctor` tries with it what works. */
#ifndef AGENT_PROBE_H
#define AGENT_PROBE_H

/* Prints a line "interface NAME" for each one of the network, and those of /etc/resolv.conf that begin with "nameserver".
 * Returns the exit code. */
int probe_run(void);

#endif
