/* SPDX-License-Identifier: MIT */
/* The steps of the container's first process, in the order in which it takes them (box_launch.c). Each
 * returns 0, or -1 with *failure. */
#ifndef BOX_BOX_PARTS_H
#define BOX_BOX_PARTS_H

#include "box/box.h"

enum { BOX_FILESYSTEMS_MAX = 8 };

/* The container's mounts while they are being made. */
struct box_mounts {
    int filesystems[BOX_FILESYSTEMS_MAX]; /* in the order of box_filesystems[] */
    size_t count;
};

/* Sets *failure from errno. Returns -1. */
int box_failed(struct box_failure *failure, enum box_step step, const char *what);

/* Ends this process. Not _exit(): in a build with sanitizers that looks for leaks, by means that a
 * process in another user namespace does not have. */
_Noreturn void box_end(int status);

/* Makes the kernel's file systems, without showing them anywhere yet. The kernel allows this only
 * to a process that can see such file systems already, so it comes before the host's mounts go. */
int box_mounts_make(struct box_mounts *m, const struct box *b, struct box_failure *failure);

/* Writes the kernel's settings, while they can be written to. */
int box_mounts_settings(const struct box_mounts *m, const struct box *b,
                        struct box_failure *failure);

/* Mounts the root, so that others can be mounted in it. */
int box_mounts_place(const struct box *b, struct box_failure *failure);

/* Attaches the file systems, the devices and the trees. */
int box_mounts_attach(const struct box_mounts *m, const struct box *b, struct box_failure *failure);

/* Enters the root. After this, no mount of the caller is left in this namespace. */
int box_mounts_enter(const struct box *b, struct box_failure *failure);

/* Hides what must not be seen, and protects what must not be changed. */
int box_mounts_restrict(const struct box_mounts *m, const struct box *b,
                        struct box_failure *failure);

/* Executes the hooks, one after the other. Nothing of them is left afterwards. */
int box_hooks_run(const struct box_hooks *h, struct box_failure *failure);

int box_privileges_limit(struct box_failure *failure);
int box_privileges_become_root(const struct box *b, struct box_failure *failure);

/* Gives up everything that the agent does not get. Nothing but execveat() comes after it. */
int box_privileges_drop(const struct box *b, struct box_failure *failure);

#endif
