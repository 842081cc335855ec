/* SPDX-License-Identifier: MIT */
/*
 * The folder in which one import works: tmp/<16 hex>/ of the store, held with flock as long as the
 * importer lives. A folder that nobody holds is what a killed importer has left.
 */
#ifndef IMAGE_STAGING_H
#define IMAGE_STAGING_H

#include "image/store_folders.h"

struct staging {
    struct store *store; /* NULL: nothing to remove */
    int folder;          /* its lock is the importer's */
    char name[17];
    char *path;
};

int staging_begin(struct staging *out, struct store *store, lrun_error *err);

/* Removes the folder with all that is in it. Idempotent. */
void staging_end(struct staging *staging);
#define cleanup_staging __attribute__((cleanup(staging_end)))

/* Removes the folders of importers that are no more. */
void staging_sweep(struct store *store);

/*
 * Removes a file or a whole tree below an open folder, following no symlink and crossing no mount.
 * 0, or -1 with errno (then something of it is left).
 */
int staging_remove_tree(int folder, const char *name);

#endif
