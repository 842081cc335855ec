/* SPDX-License-Identifier: MIT */
/*
 * Without root: a user namespace of this process's own, in which it is root over what it makes and
 * over nothing else of the host. What a run needs (mounts, namespaces, ids) can be had there.
 *
 *     in the namespace     on the host
 *     0                    the user
 *     1 ... 65536          the user's subordinate ids (/etc/subuid, /etc/subgid), if there are any
 *
 * With them, a sandbox gets 1 and the ids behind it: its root is a subordinate id. Without them it
 * gets the only id that there is, and its root is the user.
 */
#ifndef HOST_ROOTLESS_H
#define HOST_ROOTLESS_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The ids of a user that nobody else has. A count of 0: none. */
struct rootless_ids {
    uint32_t first_uid, first_gid;
    uint32_t count;
};

/* What /etc/subuid and /etc/subgid give to the user, at most what a sandbox needs. */
void rootless_find_ids(struct rootless_ids *out, uid_t uid);

/* Whether rootless_enter() gives this process other ids than the user's own, or has done so. */
bool rootless_has_ids(void);

/* The same as rootless_find_ids() for one such file. */
bool rootless_read_ids(const char *path, const char *name, uid_t uid, uint32_t *first,
                       uint32_t *count);

/*
 * Enters the namespace, once and for good. Does nothing as root. The process must have one thread.
 * Errors: CONTAINER_START_FAILED, with the command that allows it.
 */
int rootless_enter(lrun_error *err);

/* Whether rootless_enter() has entered one. */
bool rootless_active(void);

/* Who we are on the host: geteuid(), but in the namespace too. */
uid_t rootless_host_uid(void);

/* The ids that a sandbox gets, as they are called in the namespace; and the host's id of the first. */
void rootless_sandbox_ids(uint32_t *first, uint32_t *count, uint32_t *host_first);

/* Calls the function in a child that has entered the namespace; its result, or -1. */
int rootless_call(int (*function)(void *user), void *user);

/* The command that allows user namespaces here, or "" when nothing is known to forbid them. */
const char *rootless_forbidden(void);

#endif
