/* SPDX-License-Identifier: MIT */
/*
 * Walks a tree that the user's code has made, for extraction. The walk visits folders and regular
 * files only and follows no symlink. It does not recurse, holds one open fd per level, and limits
 * the number of levels.
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
    size_t lengths[WALK_DEPTH_MAX]; /* of the path down to each level */
    size_t depth;
    char path[PATH_MAX]; /* of the current entry, relative to the root of the walk */
    int file; /* if the entry is a file and `open_files`: its fd, which the walk closes */
    bool open_files;
    struct stat st; /* of the current entry */
};

/* Takes ownership of the fd, even on failure. Returns 0, or -1 with the cause in `reason`. */
int walk_begin(struct walk *w, int fd, bool open_files, char *reason, size_t size);

/* Goes to the next entry; a folder comes before its contents. Returns 1 if there is one, 0 at the
 * end, -1 with the cause in `reason` if the walk cannot continue. */
int walk_next(struct walk *w, char *reason, size_t size);

void walk_end(struct walk *w);

/* Returns whether the fd is on one of the kernel's own file systems (/proc, /sys and the like). No
 * program has made the files there, and they have no sizes, so they are never extracted. */
bool walk_is_pseudo(int fd);

#endif
