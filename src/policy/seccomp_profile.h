/* SPDX-License-Identifier: MIT */
/*
 * The seccomp profile, in the form of the OCI runtime specification.
 *
 * It is the allow-list that the distribution ships for Podman and crun, made stricter. It also
 * refuses:
 *
 *   - calls that need a capability which no sandbox has;
 *   - calls that Docker's default refuses and the list allows (namespaces, mounts, keyrings,
 *     io_uring...);
 *   - address families of socket() except the usual four;
 *   - huge pages;
 *   - every calling convention except the machine's own (no 32-bit system calls on a 64-bit
 *     machine).
 *
 * Asynchronous I/O contexts do not exist, and sync() does nothing, because both affect the whole
 * machine.
 */
#ifndef POLICY_SECCOMP_PROFILE_H
#define POLICY_SECCOMP_PROFILE_H

#include "base/error.h"

#include <jansson.h>

#define SECCOMP_PROFILE "/usr/share/containers/seccomp.json"

/* Reads the distribution's profile and translates it. New reference. */
int seccomp_profile_load(json_t **out, const char *path, lrun_error *err);

/* Only translates, for tests. `profile` is borrowed. */
int seccomp_profile_translate(json_t **out, const json_t *profile, lrun_error *err);

/*
 * Refuses only what this profile refuses beyond the distribution's list, and allows everything
 * else. For a sandbox that is already under an allow-list. New reference.
 */
int seccomp_profile_refusals(json_t **out, lrun_error *err);

#endif
