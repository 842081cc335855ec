/* SPDX-License-Identifier: MIT */
/* Whether this process cannot make a sandbox because it is in one itself: it is in a container, or
 * it is root without all of root's rights. */
#ifndef HOST_WALLED_H
#define HOST_WALLED_H

#include <stdbool.h>

/* Returns whether this is a container, by the files that Docker, Podman and others leave there. */
bool walled_in_container(void);

bool walled_has_capability(int capability);

/* Returns what to do about a system call that is forbidden here. */
const char *walled_hint(void);

#endif
