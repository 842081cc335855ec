/* SPDX-License-Identifier: MIT */
/*
 * The working folder of one import: tmp/<16 hex>/ in the store, locked with flock while the
 * importer lives. An unlocked folder is a leftover of a killed importer.
 */
#ifndef IMAGE_STAGING_H
#define IMAGE_STAGING_H

#include "image/store_folders.h"

struct staging {
    struct store *store; /* NULL: nothing to remove */
    int folder;          /* holds the importer's lock */
    char name[17];
    char *path;
};

int staging_begin(struct staging *out, struct store *store, lrun_error *err);

/* Removes the folder with its contents. Idempotent. */
void staging_end(struct staging *staging);
#define cleanup_staging __attribute__((cleanup(staging_end)))

/* Removes the folders of importers that no longer run. */
void staging_sweep(struct store *store);

/*
 * Removes a file or a whole tree below an open folder. It follows no symlinks and crosses no
 * mounts. Returns 0, or -1 with errno; then a part of the tree may remain.
 */
int staging_remove_tree(int folder, const char *name);

#endif
