/* SPDX-License-Identifier: MIT */
/*
 * For users who may not mount an image: its files, unpacked once and kept in the store.
 *
 *      <store>/unpacked/            mode 0700
 *        +-- lock                   flock; held while something is created or removed here
 *        +-- <64 hex>.<id>/         the image's files, shifted: this host id owns root's files
 *        +-- .new, .dead            leftovers of a killed process; the next one removes them
 *
 * A folder gets its name only when it is complete. A run holds a shared lock on the folder that it
 * uses, and locked folders are not removed.
 */
#ifndef IMAGE_UNPACKED_H
#define IMAGE_UNPACKED_H

#include "image/index.h"
#include "image/store_folders.h"

struct unpacked_owner {
    int user_namespace; /* in which the files are unpacked, and whose ids own them */
    uint32_t first_id;  /* its root, as an id of this process's namespace */
    uint32_t host_id;   /* its root, as a host id */
    int (*tick)(
        void *
            user); /* called a few times a second while it waits; non-zero aborts it. May be NULL */
    void *user;
    bool many; /* the namespace has other ids too; otherwise root owns all files */
};

/*
 * Opens the folder with an image's files, and unpacks them first if that has not been done. The
 * files are in use as long as the fd is open. Errors: CONTAINER_START_FAILED.
 */
int unpacked_open(int *out, struct store *store, const char *digest, int image_fd,
                  const struct unpacked_owner *owner, lrun_error *err);

/* Removes folders that belong to no image in the index and are not in use. */
void unpacked_sweep(const struct store *store, const struct index *index);

#endif
