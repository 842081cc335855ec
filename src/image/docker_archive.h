/* SPDX-License-Identifier: MIT */
/*
 * Writes the unpacked files as an archive in the form of `docker save`, for a daemon to load: one
 * layer, its configuration, one name. This way every format that an import accepts works with every
 * daemon, and an archive cannot assign any name except the name that the user gave.
 *
 *      layer.tar, <hex>.json, manifest.json
 */
#ifndef IMAGE_DOCKER_ARCHIVE_H
#define IMAGE_DOCKER_ARCHIVE_H

#include "image/assemble.h"

/*
 * *out is an unnamed file, positioned at its beginning, with the tree ASSEMBLY_ROOTFS. `name` is in
 * the stored form; `config` comes from assembly_unpack_layers(). Errors: IO_FAILED, OUT_OF_MEMORY.
 */
int docker_archive_make(int *out, struct assembly *a, const char *name, const struct image *config,
                        lrun_error *err);

#endif
