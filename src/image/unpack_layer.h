/* SPDX-License-Identifier: MIT */
/*
 * What a layer of an image does to the layers below it, as OCI's image specification has it:
 *
 *      a/.wh.name       a/name of the layers below is gone
 *      a/.wh..wh..opq   everything in a/ of the layers below is gone
 *      a/name           takes the place of a/name; a folder on a folder keeps what is in it
 *
 * None of this touches what the same layer has put there, in whatever order the entries come.
 *
 * umoci could do it, but it restores devices and file capabilities, knows no bound on what a layer
 * unpacks to, reads no zstd, and cannot be shut into the folder that it writes to, for it needs
 * files of the host. All of that the unpacker of plain archives has already.
 *
 * Paths are relative to the working directory, which is the root of the process ("/"): links are
 * followed within it, as the kernel sees them, and lead nowhere else.
 */
#ifndef IMAGE_UNPACK_LAYER_H
#define IMAGE_UNPACK_LAYER_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What the present layer has done. Starts as {0}. */
struct layer_paths {
    void *written;
    void *cleared; /* below these paths there is nothing of the layers below any more */
    uint64_t seen; /* files and folders that were looked at to be removed; for tests */
};

int layer_paths_add(struct layer_paths *paths, const char *path, lr_error *err);
void layer_paths_free(struct layer_paths *paths);

/*
 * Brings a path into one form (no "." and no needless slash), and follows the links on the way to
 * its last name: an entry lib/x goes to usr/lib/x where a layer below has made lib a link. malloc'd
 * in *path, whose old text is freed.
 */
int layer_resolve(char **path, lr_error *err);

/* Does what the path says when it is a mark; then *is_mark, and there is nothing to unpack. */
int layer_apply_mark(struct layer_paths *paths, const char *path, bool *is_mark,
                     lr_error *err);

/* Removes what is at the path and cannot stay there when an entry of that type comes. */
int layer_make_way(struct layer_paths *paths, const char *path, bool folder, lr_error *err);

#endif
