/* SPDX-License-Identifier: MIT */
/* The agent as the command of a run, in an image that holds nothing else. `doctor` uses it to find
 * out which features work. */
#ifndef AGENT_PROBE_H
#define AGENT_PROBE_H

/* Prints a line "interface NAME" for each network interface, and the lines of /etc/resolv.conf that
 * begin with "nameserver". Returns the exit code. */
int probe_run(void);

#endif
