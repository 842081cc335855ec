/* SPDX-License-Identifier: MIT */
/*
 * Where the store lies, and its folders. Used by image/store.c alone.
 */
#ifndef IMAGE_STORE_FOLDERS_H
#define IMAGE_STORE_FOLDERS_H

#include "image/store.h"

/*
 * Fills in path and fds. Without `create`, a store that is not there leaves the fds at -1 and is no
 * error. Folders that other users own or can write to are refused: whoever can change an image
 * decides what runs.
 */
int store_folders_open(struct store *store, bool create, lrun_error *err);

#endif
