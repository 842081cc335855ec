/* SPDX-License-Identifier: MIT */
/*
 * The times of folders that are being filled: what is made in a folder changes its time, so it is set once the last entry is
 * in. Entries come folder by folder, each folder before what is in it; those around the entry at hand are kept.
 */
#ifndef BASE_FOLDER_TIMES_H
#define BASE_FOLDER_TIMES_H

#include <stddef.h>
#include <time.h>

enum { FOLDER_TIMES_MAX = 512 }; /* what is deeper keeps the time at which it was filled */

struct folder_times {
    char path[4096]; /* of the innermost folder */
    size_t depth;
    struct {
        size_t length; /* of its path, which the others' paths begin with */
        struct timespec modified;
    } folders[FOLDER_TIMES_MAX];
};

/* How a folder below the root at hand is opened for reading: the fd, or -1. */
typedef int folder_times_open(int root, const char *path);

/* A folder has been made. Before that, folder_times_leave() was called with its path. */
void folder_times_add(struct folder_times *f, const char *path, struct timespec modified);

/*
 * Sets the times of all folders that `next` is not in; NULL: of all. One that cannot be opened any more is left as it is, and so
 * is a time that its file system does not take.
 */
void folder_times_leave(struct folder_times *f, const char *next, int root,
                        folder_times_open *open_folder);

/* A time of modification as the access and the modification time, for futimens(). */
#define FOLDER_TIMES_BOTH(modified) ((const struct timespec[2]){(modified), (modified)})

#endif
