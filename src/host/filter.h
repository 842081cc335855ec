/* SPDX-License-Identifier: MIT */
/*
 * The seccomp profile as a program for the kernel. An OCI runtime compiles the profile at each
 * start, which takes a third of the time of a start. Here it is compiled once and kept. The agent
 * installs the program on itself before it does anything for a run.
 */
#ifndef HOST_FILTER_H
#define HOST_FILTER_H

#include "base/error.h"

/* The argument that makes the compiler write the second kind of program. */
#define FILTER_REFUSALS "refusals"

enum filter_base {
    FILTER_ALONE,  /* the sandbox's only filter: without the distribution's profile, an error */
    FILTER_ON_TOP, /* another allow-list is already installed: without the distribution's profile,
                      the program refuses only calls that such a list does not refuse itself */
};

/*
 * Returns the program (an array of struct sock_filter) for the distribution's profile
 * (policy/seccomp_profile.h), malloc'd. It is kept in `folder`, under a name that identifies the
 * profile and the compiler. Errors: CONTAINER_START_FAILED.
 */
int filter_get(const char *folder, enum filter_base base, char **program, size_t *length,
               lrun_error *err);

/*
 * Makes a program of filter_get() allow one more system call of the native calling convention,
 * whatever the profile says. Errors: CONTAINER_START_FAILED (out of memory, or the program is too
 * long).
 */
int filter_allow(char **program, size_t *length, int number, lrun_error *err);

/* Makes it refuse these system calls (EPERM), whatever the profile says; at most FILTER_REFUSE_MAX.
 * Same errors. */
enum { FILTER_REFUSE_MAX = 64 };
int filter_refuse(char **program, size_t *length, const int *numbers, size_t count,
                  lrun_error *err);

#endif
