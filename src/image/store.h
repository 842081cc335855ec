/* SPDX-License-Identifier: MIT */
/*
 * The image store: one EROFS file per image, named by its digest, and an index of names.
 *
 *      $LIGHT_RUNNER_DATA_DIR          else /var/lib/light-runner as root,
 *        |                             else $XDG_DATA_HOME or ~/.local/share, /light-runner
 *        +-- images/                   mode 0700
 *        |     +-- index.json          written by temporary file and rename, under the lock
 *        |     +-- lock                flock; writers take it, readers never do
 *        |     +-- setup.lock          one byte per image that is being set up
 *        |     +-- <64 hex>.erofs
 *        +-- tmp/                      one folder per running import (image/staging.h)
 *        +-- scratch/                  templates of empty file systems, for runs
 *        +-- unpacked/                 files of images, for runs without root (image/unpacked.h)
 *
 * A file is complete before it gets its name, and has its name before the index refers to it. So a
 * process that is killed in between leaves at most a file that no name refers to, and store_sweep()
 * removes it.
 */
#ifndef IMAGE_STORE_H
#define IMAGE_STORE_H

#include "image/image.h"
#include "image/store_folders.h"

#include <stddef.h>

/*
 * Opens the store. With `create`, missing folders are created. Close it with store_close(). Errors:
 * IO_FAILED, INVALID_ARGUMENT (LIGHT_RUNNER_DATA_DIR).
 */
int store_open(struct store **out, bool create, lrun_error *err);
void store_close(struct store *store);

static inline void store_close_ptr(struct store **store)
{
    store_close(*store);
}
#define cleanup_store __attribute__((cleanup(store_close_ptr)))

/*
 * Finds an image by its name, by "sha256:<hex>", or by at least the first 12 hex digits of its
 * digest, and opens its file (read-only). Free *out with image_free(). Errors:
 * CONTAINER_START_FAILED (no such image).
 */
int store_resolve(struct store *store, const char *name, struct image *out, int *erofs_fd,
                  lrun_error *err);

/* Finds only the image's digest: malloc'd, or NULL if there is no such image. Errors:
 * CONTAINER_START_FAILED (several digests begin like this), IO_FAILED. */
int store_find(struct store *store, const char *name, char **digest, lrun_error *err);

/* Returns all images, sorted by name, as a malloc'd array. Free it with store_list_free(). */
int store_list(struct store *store, struct image **out, size_t *count, lrun_error *err);
void store_list_free(struct image *images, size_t count);

/* Removes a name, and the file if no other name uses it. Runs that have the file open are not
 * affected. Errors: IMAGE_NOT_FOUND. */
int store_remove(struct store *store, const char *name, lrun_error *err);

/*
 * Moves the complete file `file` from the folder `folder` (on the same file system) into the store,
 * under the digest and the name of `image`. The name is taken from any image that had it.
 */
int store_add(struct store *store, int folder, const char *file, const struct image *image,
              lrun_error *err);

/* Removes the leftovers of killed importers. Does not touch anything that is in use. */
int store_sweep(struct store *store, lrun_error *err);

/* Opens a file for byte-range locks, one byte per image that is being set up. The store itself does
 * not use these locks. */
int store_setup_lock(struct store *store, int *fd, lrun_error *err);

#endif
