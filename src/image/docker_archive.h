/* SPDX-License-Identifier: MIT */
/*
 * What was unpacked as an archive of `docker save`'s form, for a daemon to load: one layer, its configuration, one name.
 * So every format that an import takes gets to every daemon, and an archive can give no name to anything but what the
 * user has named.
 *
 *      layer.tar, <hex>.json, manifest.json
 */
#ifndef IMAGE_DOCKER_ARCHIVE_H
#define IMAGE_DOCKER_ARCHIVE_H

#include "image/assemble.h"

/*
 * *out is a nameless file, at its beginning, with the tree ASSEMBLY_ROOTFS; `name` is in the stored form, `config` as from
 * assembly_unpack_layers(). Errors: IO_FAILED, OUT_OF_MEMORY.
 */
int docker_archive_make(int *out, struct assembly *a, const char *name, const struct image *config,
                        lrun_error *err);

#endif
