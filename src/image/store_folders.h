/* SPDX-License-Identifier: MIT */
/*
 * The location of the store, and its folders.
 */
#ifndef IMAGE_STORE_FOLDERS_H
#define IMAGE_STORE_FOLDERS_H

#include "base/error.h"

#include <stdbool.h>

struct store {
    char *path; /* absolute */
    int root;   /* -1: the store does not exist yet, and reads as empty */
    int images;
    int tmp;
};

/*
 * Sets the path and opens the folders. Without `create`, a missing store leaves the fds at -1 and
 * is not an error. Folders that other users own or can write to are rejected, because a user who can
 * change an image decides what runs.
 */
int store_folders_open(struct store *store, bool create, lrun_error *err);

/* Returns the path of the folder for the templates of the runs' file systems, malloc'd. Creates the
 * folder if it is missing. */
int store_scratch_folder(struct store *store, char **out, lrun_error *err);

#endif
