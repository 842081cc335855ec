/* SPDX-License-Identifier: MIT */
/*
 * The seccomp profile, in the form of the OCI runtime specification.
 *
 * It is the allow-list that the distribution ships for Podman and crun, made stricter: calls that
 * need a capability which no sandbox has are refused, so is what Docker's default refuses beyond it
 * (namespaces, mounts, keyrings, io_uring...), address families of socket() but the usual four, huge
 * pages, and everything but the machine's own calling convention (no 32-bit system calls on a 64-bit
 * machine). Asynchronous I/O contexts do not exist, and sync() does nothing: both are the whole
 * machine's.
 */
#ifndef POLICY_SECCOMP_PROFILE_H
#define POLICY_SECCOMP_PROFILE_H

#include "base/error.h"

#include <jansson.h>

#define SECCOMP_PROFILE "/usr/share/containers/seccomp.json"

/* Reads the distribution's profile and translates it. New reference. */
int seccomp_profile_load(json_t **out, const char *path, lrun_error *err);

/* The translation alone, for tests. `profile` is borrowed. */
int seccomp_profile_translate(json_t **out, const json_t *profile, lrun_error *err);

/*
 * What is refused beyond the distribution's list, and everything else allowed: for a sandbox that is under an allow-list
 * already. New reference.
 */
int seccomp_profile_refusals(json_t **out, lrun_error *err);

#endif
