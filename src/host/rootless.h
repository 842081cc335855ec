/* SPDX-License-Identifier: MIT */
/*
 * Runs without root: a user namespace of this process's own, in which it is root over what it makes
 * and over nothing else of the host. The namespace has everything that a run needs (mounts,
 * namespaces, ids).
 *
 *     in the namespace     on the host
 *     0                    the user
 *     1 ... 65536          the user's subordinate ids (/etc/subuid, /etc/subgid), if there are any
 *
 * With subordinate ids, a sandbox gets id 1 and the following ones: its root is a subordinate id.
 * Without them it gets the only id that there is, and its root is the user.
 */
#ifndef HOST_ROOTLESS_H
#define HOST_ROOTLESS_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Ids that belong to one user alone. A count of 0: there are none. */
struct rootless_ids {
    uint32_t first_uid, first_gid;
    uint32_t count;
};

/* Finds the ids that /etc/subuid and /etc/subgid give to the user, at most as many as a sandbox
 * needs. */
void rootless_find_ids(struct rootless_ids *out, uid_t uid);

/* Returns whether rootless_enter() gives this process more ids than the user's own, or has done
 * so. */
bool rootless_has_ids(void);

/* Like rootless_find_ids(), for one such file. */
bool rootless_read_ids(const char *path, const char *name, uid_t uid, uint32_t *first,
                       uint32_t *count);

/*
 * Enters the namespace, once and for good. Does nothing as root. The process must have one thread.
 * Errors: CONTAINER_START_FAILED, with the command that allows it.
 */
int rootless_enter(lrun_error *err);

/* Returns whether rootless_enter() has entered a namespace. */
bool rootless_active(void);

/* Returns our user id on the host: geteuid(), also from inside the namespace. */
uid_t rootless_host_uid(void);

/* Returns the ids that a sandbox gets, as numbered in the namespace, and the first of them on the
 * host. */
void rootless_sandbox_ids(uint32_t *first, uint32_t *count, uint32_t *host_first);

/* Calls the function in a child that has entered the namespace. Returns 0 if the function returns
 * 0, else -1. */
int rootless_call(int (*function)(void *user), void *user);

/* Returns the command that allows user namespaces here, or "" if nothing is known to forbid
 * them. */
const char *rootless_forbidden(void);

#endif
