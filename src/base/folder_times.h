/* SPDX-License-Identifier: MIT */
/*
 * The modification times of folders that are being filled. Creating an entry in a folder changes
 * the folder's time, so the time is set after the last entry has been created. Entries come folder
 * by folder, and each folder comes before its contents. Only the folders around the current entry
 * are kept.
 */
#ifndef BASE_FOLDER_TIMES_H
#define BASE_FOLDER_TIMES_H

#include <stddef.h>
#include <time.h>

enum { FOLDER_TIMES_MAX = 512 }; /* deeper folders keep the time at which they were filled */

struct folder_times {
    char path[4096]; /* of the innermost folder */
    size_t depth;
    struct {
        size_t length; /* of this folder's path, which is a prefix of the innermost folder's path */
        struct timespec modified;
    } folders[FOLDER_TIMES_MAX];
};

/* Opens a folder below `root` for reading. Returns the fd, or -1. */
typedef int folder_times_open(int root, const char *path);

/* Adds a folder that has just been made. Call folder_times_leave() with its path before this. */
void folder_times_add(struct folder_times *f, const char *path, struct timespec modified);

/*
 * Sets the times of all folders that do not contain `next`; of all folders if `next` is NULL. A
 * folder that can no longer be opened is left as it is. A time that the file system rejects is
 * ignored.
 */
void folder_times_leave(struct folder_times *f, const char *next, int root,
                        folder_times_open *open_folder);

/* A modification time as both the access and the modification time, for futimens(). */
#define FOLDER_TIMES_BOTH(modified) ((const struct timespec[2]){(modified), (modified)})

#endif
