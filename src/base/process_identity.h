/* SPDX-License-Identifier: MIT */
/*
 * Which process a process is, for others on this machine and for later: its number alone may belong to another
 * by then. An identity is one line of text: the boot, the PID namespace, the number, and the time of the start.
 */
#ifndef BASE_PROCESS_IDENTITY_H
#define BASE_PROCESS_IDENTITY_H

enum { PROCESS_IDENTITY_SIZE = 128 };

/* That of the calling process. */
void process_identity(char out[PROCESS_IDENTITY_SIZE]);

/*
 * Whether the process of that identity still runs. PROCESS_GONE is certain. PROCESS_UNKNOWN: the process is, or was,
 * on another machine, before a reboot or in another PID namespace; or the system does not let us look.
 */
enum process_fate { PROCESS_UNKNOWN, PROCESS_ALIVE, PROCESS_GONE };
enum process_fate process_fate(const char *identity);

#endif
