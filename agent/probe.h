/* SPDX-License-Identifier: MIT */
/* The agent as the command of a run, in an image that has nothing else: `doctor` tries with it what works. */
#ifndef AGENT_PROBE_H
#define AGENT_PROBE_H

/* Prints the names of the network interfaces, one a line. Returns the exit code. */
int probe_run(void);

#endif
