/* SPDX-License-Identifier: MIT */
/*
 * The seccomp profile, in the form of the OCI runtime specification.
 *
 * It is the allow-list that the distribution ships for Podman and crun, made stricter: calls that
 * need a capability which no sandbox has are refused, so is what Docker's default refuses beyond it
 * (namespaces, mounts, keyrings, io_uring...), and only the machine's own calling convention is let
 * through (no 32-bit system calls on a 64-bit machine).
 */
#ifndef HOST_SECCOMP_PROFILE_H
#define HOST_SECCOMP_PROFILE_H

#include "base/error.h"

#include <jansson.h>

#define SECCOMP_PROFILE "/usr/share/containers/seccomp.json"

/* Reads the distribution's profile and translates it. New reference. */
int seccomp_profile_load(json_t **out, const char *path, lr_error *err);

/* The translation alone, for tests. `profile` is borrowed. */
int seccomp_profile_translate(json_t **out, const json_t *profile, lr_error *err);

#endif
