/* SPDX-License-Identifier: MIT */
/*
 * From an archive of a root file system to an image in the store:
 *
 *      tar ── light-runner-unpack ──> folder ── mkfs.erofs ──> EROFS file ── digest ──> store
 *             (confined)              staging
 *
 * The same archive gives the same digest: owners, modes, times and user attributes come from the
 * archive alone, and the file system has a fixed UUID and time.
 */
#ifndef IMAGE_IMPORT_H
#define IMAGE_IMPORT_H

#include "image/store.h"

struct import_feedback {
    /* Called a few times a second while the archive is read, with the bytes read so far (0 when
     * that cannot be told). Other than 0 stops the import. May be NULL. */
    int (*progress)(void *user, uint64_t done);
    void *user;
    uint64_t skipped; /* set at the end: devices, fifos and sockets that were left out */
};

/*
 * Imports a tar of a root file system, plain or compressed with gzip, zstd or xz, read from the
 * fd's position on (a file or a pipe). *out is what was stored; free it with image_free().
 * `feedback` may be NULL. $LIGHT_RUNNER_IMAGE_MAX_BYTES lowers the cap of 64 GiB on what an archive
 * may unpack to.
 * Errors: IMAGE_INVALID (not a tar archive, corrupt, over a limit, hostile), INVALID_ARGUMENT (the
 * name), NOT_SUPPORTED (mkfs.erofs is missing), IO_FAILED.
 */
int import_rootfs_tar(struct store *store, int tar_fd, const char *name, struct image *out,
                      struct import_feedback *feedback, lr_error *err);

#endif
