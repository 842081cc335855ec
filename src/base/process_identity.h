/* SPDX-License-Identifier: MIT */
/*
 * Identifies a process to other processes on this machine, and later. Its number is not enough: by
 * then it may belong to another process. An identity is one line of text: the boot, the PID
 * namespace, the number, and the start time.
 */
#ifndef BASE_PROCESS_IDENTITY_H
#define BASE_PROCESS_IDENTITY_H

enum { PROCESS_IDENTITY_SIZE = 128 };

/* The identity of the calling process. */
void process_identity(char out[PROCESS_IDENTITY_SIZE]);

/*
 * Says whether the process with that identity still runs. PROCESS_GONE is certain. PROCESS_UNKNOWN:
 * the process runs or ran on another machine, before a reboot or in another PID namespace; or the
 * system does not let us look.
 */
enum process_fate { PROCESS_UNKNOWN, PROCESS_ALIVE, PROCESS_GONE };
enum process_fate process_fate(const char *identity);

#endif
