/* SPDX-License-Identifier: MIT */
/*
 * Walks a tree that the user's code has made, for extraction: folders and regular files only, no
 * symlink followed, no recursion, one open fd per level and a bound on the levels.
 */
#ifndef AGENT_WALK_H
#define AGENT_WALK_H

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

enum { WALK_DEPTH_MAX = 512 };

struct walk {
    DIR *levels[WALK_DEPTH_MAX];
    size_t lengths[WALK_DEPTH_MAX]; /* of the path down to that level */
    size_t depth;
    char path[PATH_MAX]; /* of the entry at hand, relative to the root of the walk */
    int file;            /* the entry's fd if it is a file and `open_files`; the walk's to close */
    bool open_files;
    struct stat st; /* of the entry at hand */
};

/* Takes the fd, also when it fails. -1: `reason` says why. */
int walk_begin(struct walk *w, int fd, bool open_files, char *reason, size_t size);

/* Goes to the next entry, a folder before what is in it. 1: there is one; 0: the end; -1: `reason`
 * says why there is no going on. */
int walk_next(struct walk *w, char *reason, size_t size);

void walk_end(struct walk *w);

/* Whether the fd is on one of the kernel's own file systems (/proc, /sys and the like): what is
 * there was not made by anybody, has no sizes, and is never extracted. */
bool walk_is_pseudo(int fd);

#endif
