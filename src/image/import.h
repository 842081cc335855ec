/* SPDX-License-Identifier: MIT */
/*
 * Importing an image from a file or a folder on this machine: the tar of a root file system, an OCI
 * image layout (a folder or an archive), or an archive of `docker save`.
 *
 * The same archive gives the same digest: owners, modes, times and user attributes come from the
 * archive alone, and the file system has a fixed UUID and time.
 *
 * image/layout.c reads layouts and archives of layers; no external tool does. So only the confined
 * unpacker opens an archive, an archive can come through a pipe, and every digest is verified,
 * including those of the layers' contents, which tools do not verify for archives.
 */
#ifndef IMAGE_IMPORT_H
#define IMAGE_IMPORT_H

#include "image/feedback.h"
#include "image/store.h"

/*
 * Imports an archive (plain, or compressed with gzip, zstd or xz) from the current position of the
 * fd, which is a file or a pipe. Or imports the OCI image layout, or the unpacked archive of
 * `docker save`, in an open folder. *out describes the stored image; free it with image_free().
 * `feedback` may be NULL. $LIGHT_RUNNER_IMAGE_MAX_BYTES lowers the limit of 64 GiB on the unpacked
 * size. Errors: IMAGE_INVALID (not a tar archive, corrupt, over a limit, hostile, not for this
 * machine), INVALID_ARGUMENT (the name), NOT_SUPPORTED (mkfs.erofs is missing), IO_FAILED.
 */
int import_image(struct store *store, int fd, const char *name, struct image *out,
                 struct image_feedback *feedback, lrun_error *err);

/* Like import_image(), but the result does not go into the store, which provides only the staging
 * folder. *archive is an unnamed file that a Docker daemon can load (image/docker_archive.h). */
int import_for_docker(struct store *store, int fd, const char *name, int *archive,
                      struct image_feedback *feedback, lrun_error *err);

#endif
