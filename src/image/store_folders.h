/* SPDX-License-Identifier: MIT */
/*
 * Where the store lies, and its folders.
 */
#ifndef IMAGE_STORE_FOLDERS_H
#define IMAGE_STORE_FOLDERS_H

#include "base/error.h"

#include <stdbool.h>

struct store {
    char *path; /* absolute */
    int root;   /* -1: there is no store yet, it reads as an empty one */
    int images;
    int tmp;
};

/*
 * Fills in path and fds. Without `create`, a store that is not there leaves the fds at -1 and is no
 * error. Folders that other users own or can write to are refused: whoever can change an image
 * decides what runs.
 */
int store_folders_open(struct store *store, bool create, lrun_error *err);

/* The folder for the templates of the runs' file systems; made when it is missing. malloc'd. */
int store_scratch_folder(struct store *store, char **out, lrun_error *err);

#endif
