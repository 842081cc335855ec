/* SPDX-License-Identifier: MIT */
/*
 * For who may not mount an image: its files, unpacked once and kept beside it.
 *
 *      <store>/unpacked/            mode 0700
 *        +-- lock                   flock; of whoever makes or removes something here
 *        +-- <64 hex>.<id>/         the image's files, shifted so that root's belong to this host id
 *        +-- .new, .dead            of one who was killed; the next one removes it
 *
 * A folder has its name only when it is complete. Whoever uses one holds a shared lock on it, and
 * nothing is removed that is locked.
 */
#ifndef IMAGE_UNPACKED_H
#define IMAGE_UNPACKED_H

#include "image/index.h"
#include "image/store_folders.h"

struct unpacked_owner {
    int user_namespace; /* in which the files are unpacked, and to whose ids they belong */
    uint32_t first_id;  /* its root, as it is called here */
    uint32_t host_id;   /* and on the host */
    int (*tick)(
        void *
            user); /* called a few times a second while it waits; other than 0: stop. May be NULL */
    void *user;
    bool many; /* it has other ids too; else all files are root's */
};

/*
 * The folder of an image's files, unpacked if that has not been done yet; the files are in use for as
 * long as the fd is open. Errors: CONTAINER_START_FAILED.
 */
int unpacked_open(int *out, struct store *store, const char *digest, int image_fd,
                  const struct unpacked_owner *owner, lrun_error *err);

/* Removes what no image of the index stands behind, and nobody uses. */
void unpacked_sweep(const struct store *store, const struct index *index);

#endif
