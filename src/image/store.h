/* SPDX-License-Identifier: MIT */
/*
 * The image store: one EROFS file per image, named by its digest, and an index of names.
 *
 *      $LIGHT_RUNNER_DATA_DIR          else /var/lib/light-runner as root,
 *        |                             else $XDG_DATA_HOME or ~/.local/share, /light-runner
 *        +-- images/                   mode 0700
 *        |     +-- index.json          written by temporary file and rename, under the lock
 *        |     +-- lock                flock; taken by those who change something, never by readers
 *        |     +-- setup.lock          one byte per image that is being set up
 *        |     +-- <64 hex>.erofs
 *        +-- tmp/                      a folder per import that is under way (image/staging.h)
 *        +-- scratch/                  templates of empty file systems, for runs
 *        +-- unpacked/                 files of images, for runs without root (image/unpacked.h)
 *
 * A file is complete before it has its name, and has its name before the index speaks of it:
 * whoever is killed in between leaves at most a file that nobody names, and store_sweep() removes
 * it.
 */
#ifndef IMAGE_STORE_H
#define IMAGE_STORE_H

#include "image/image.h"
#include "image/store_folders.h"

#include <stddef.h>

/*
 * Opens the store; with `create` its folders are made when they are missing. Close it with
 * store_close(). Errors: IO_FAILED, INVALID_ARGUMENT (LIGHT_RUNNER_DATA_DIR).
 */
int store_open(struct store **out, bool create, lrun_error *err);
void store_close(struct store *store);

static inline void store_close_ptr(struct store **store)
{
    store_close(*store);
}
#define cleanup_store __attribute__((cleanup(store_close_ptr)))

/*
 * Finds an image by its name, by "sha256:<hex>" or by the first 12 or more hex digits of its
 * digest, and opens its file (read-only). Free *out with image_free(). Errors:
 * CONTAINER_START_FAILED (no such image).
 */
int store_resolve(struct store *store, const char *name, struct image *out, int *erofs_fd,
                  lrun_error *err);

/* Only its digest: malloc'd, NULL where there is no such image. Errors: CONTAINER_START_FAILED (the
 * beginning of several digests), IO_FAILED. */
int store_find(struct store *store, const char *name, char **digest, lrun_error *err);

/* All images, sorted by name, as a malloc'd array. Free it with store_list_free(). */
int store_list(struct store *store, struct image **out, size_t *count, lrun_error *err);
void store_list_free(struct image *images, size_t count);

/* Drops a name, and the file when no other name uses it. Runs that have it open are not disturbed.
 * Errors: IMAGE_NOT_FOUND. */
int store_remove(struct store *store, const char *name, lrun_error *err);

/*
 * Takes in the complete file `file` of the folder `folder` (on the same file system) under the
 * digest and the name of `image`. An image that had that name loses it.
 */
int store_add(struct store *store, int folder, const char *file, const struct image *image,
              lrun_error *err);

/* Removes what importers that were killed have left behind. Touches nothing that is in use. */
int store_sweep(struct store *store, lrun_error *err);

/* A file for byte-range locks, one byte per image that is being set up. The store itself does not
 * use them. */
int store_setup_lock(struct store *store, int *fd, lrun_error *err);

#endif
