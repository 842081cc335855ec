/* SPDX-License-Identifier: MIT */
/* Where this process cannot make a sandbox, because it is in one itself: a container, or a root with less than root's rights. */
#ifndef HOST_WALLED_H
#define HOST_WALLED_H

#include <stdbool.h>

/* As containers of Docker, Podman and others tell it. */
bool walled_in_container(void);

bool walled_has_capability(int capability);

/* What to do about a system call that is forbidden here. */
const char *walled_hint(void);

#endif
