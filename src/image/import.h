/* SPDX-License-Identifier: MIT */
/*
 * Importing an image from a file or a folder of this machine: the tar of a root file system, an OCI
 * image layout (as a folder, or as an archive), or an archive of `docker save`.
 *
 * The same archive gives the same digest: owners, modes, times and user attributes come from the
 * archive alone, and the file system has a fixed UUID and time.
 *
 * Layouts and archives of layers are read by image/layout.c, not by a tool: then nothing outside of
 * the confined unpacker opens an archive, one can come through a pipe, and every digest is compared
 * up to the layers' contents, which tools do not do for archives.
 */
#ifndef IMAGE_IMPORT_H
#define IMAGE_IMPORT_H

#include "image/feedback.h"
#include "image/store.h"

/*
 * Imports an archive, plain or compressed with gzip, zstd or xz, read from the fd's position on (a
 * file or a pipe); or the OCI image layout (or the unpacked archive of `docker save`) that an open
 * folder holds. *out is what was stored; free it with image_free(). `feedback` may be NULL.
 * $LIGHT_RUNNER_IMAGE_MAX_BYTES lowers the cap of 64 GiB on what it may unpack to.
 * Errors: IMAGE_INVALID (not a tar archive, corrupt, over a limit, hostile, not for this machine),
 * INVALID_ARGUMENT (the name), NOT_SUPPORTED (mkfs.erofs is missing), IO_FAILED.
 */
int import_image(struct store *store, int fd, const char *name, struct image *out,
                 struct image_feedback *feedback, lrun_error *err);

/* The same, not into the store, which is only worked in, but as *archive, a nameless file that a Docker daemon loads
 * (image/docker_archive.h). */
int import_for_docker(struct store *store, int fd, const char *name, int *archive,
                      struct image_feedback *feedback, lrun_error *err);

#endif
