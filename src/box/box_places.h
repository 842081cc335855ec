/* SPDX-License-Identifier: MIT */
/*
 * Where in a container something is mounted. Paths are absolute. They are looked up beneath the
 * root, or beneath a file system of the container's that was made by us: whatever the image has at
 * such a path plays no part.
 */
#ifndef BOX_BOX_PLACES_H
#define BOX_BOX_PLACES_H

#include "box/box_parts.h"

/* Not in a file system of ours. */
enum { BOX_IN_ROOT = -1 };

/*
 * Opens a place beneath `from`. No link is followed, because the image may have a link anywhere: what
 * is mounted through a link is not where programs look for it later. Returns -1 with errno.
 */
int box_places_open_beneath(int from, const char *path, int flags);

/* Finds the file system that a path is in, as an index of box_filesystems[]: the one with the longest
 * target that the path begins with, or BOX_IN_ROOT. *rest is the path below it. */
int box_places_owner(const char *path, const char **rest);

/* Opens the place of a path. Returns -1 with errno. */
int box_places_open(const struct box_mounts *m, const struct box *b, const char *path, int flags);

/*
 * Opens the place of a guest, and makes what is missing of its path: folders, and a file if the
 * tree is one. Links of the image are followed, but not out of the root, and not into a file
 * system of ours (errno is EXDEV then). Returns -1 with errno.
 */
int box_places_make(const struct box_mounts *m, const struct box *b, const struct box_tree *guest);

#endif
