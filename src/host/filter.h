/* SPDX-License-Identifier: MIT */
/*
 * The seccomp profile as the program that the kernel takes. An OCI runtime compiles the profile at each
 * start, which is a third of the time that a start takes; here it is done once and kept. The agent
 * puts the program on itself before it does anything for a run.
 */
#ifndef HOST_FILTER_H
#define HOST_FILTER_H

#include "base/error.h"

/* The word with which the compiler makes the second kind. */
#define FILTER_REFUSALS "refusals"

enum filter_base {
    FILTER_ALONE, /* the only filter of the sandbox: an error without the distribution's profile */
    FILTER_ON_TOP, /* another allow-list is on already: without that profile only what it does not refuse by itself */
};

/*
 * The program (an array of struct sock_filter) for the distribution's profile (policy/seccomp_profile.h), kept in
 * `folder` under a name that says of which profile it was made, and by which compiler. malloc'd.
 * Errors: CONTAINER_START_FAILED.
 */
int filter_get(const char *folder, enum filter_base base, char **program, size_t *length,
               lrun_error *err);

/*
 * Has a program of filter_get() allow one more system call of the native calling convention, whatever
 * the profile says. Errors: CONTAINER_START_FAILED (out of memory, or the program is too long).
 */
int filter_allow(char **program, size_t *length, int number, lrun_error *err);

/* Has it refuse these system calls (EPERM) whatever the profile says; at most FILTER_REFUSE_MAX. Same errors. */
enum { FILTER_REFUSE_MAX = 64 };
int filter_refuse(char **program, size_t *length, const int *numbers, size_t count,
                  lrun_error *err);

#endif
