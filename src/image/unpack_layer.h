/* SPDX-License-Identifier: MIT */
/*
 * Applies a layer of an image to the layers below it, as OCI's image specification defines:
 *
 *      a/.wh.name       removes a/name of the layers below
 *      a/.wh..wh..opq   removes everything in a/ of the layers below
 *      a/name           replaces a/name; a folder on a folder keeps its contents
 *      .wh..wh.plnk/x   a file that other entries of the layer link to; removed at the layer's end
 *      .wh..wh.*        nothing
 *
 * No mark removes an entry of its own layer, whatever the order of the entries. Of two entries with
 * the same name the last one counts, even if the first was a non-empty folder.
 *
 * umoci could do this. But it restores devices and file capabilities, has no limit on a layer's
 * unpacked size, cannot read zstd, and cannot be locked into its target folder, because it needs
 * files of the host. The unpacker of plain archives already solves all of that.
 *
 * Paths are relative to the working directory, which is the root of the process ("/"). Links are
 * followed from there, and cannot lead out of it.
 */
#ifndef IMAGE_UNPACK_LAYER_H
#define IMAGE_UNPACK_LAYER_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The state of the current layer. Starts as {0}. */
struct layer_paths {
    void *written;
    void *cleared; /* below these paths, nothing of the layers below is left */
    uint64_t seen; /* number of files and folders examined for removal; for tests */
};

int layer_paths_add(struct layer_paths *paths, const char *path, lrun_error *err);
bool layer_paths_has(const struct layer_paths *paths, const char *path);
void layer_paths_free(struct layer_paths *paths);

/*
 * Normalizes a path in place: no ".", no ".." and no redundant slash. Errors: IMAGE_INVALID (the
 * path leads out of the root).
 */
int layer_tidy(char *path, lrun_error *err);

/*
 * Follows links in a tidy path, except in its last name. If lib is a link to usr/lib, of this layer
 * or of a layer below, the entry lib/x becomes usr/lib/x, even if usr/lib does not exist yet. The
 * new *path is malloc'd, and the old text is freed.
 */
int layer_resolve(char **path, lrun_error *err);

/* If the path is a mark, applies it and sets *is_mark: then there is nothing to unpack.
 * *is_mark starts as false. */
int layer_apply_mark(struct layer_paths *paths, const char *path, bool *is_mark, lrun_error *err);

/* Removes whatever is at the path if an entry of that type cannot coexist with it. */
int layer_make_way(struct layer_paths *paths, const char *path, bool folder, lrun_error *err);

/* Removes the files that existed only for other entries of the layer to link to. */
int layer_finish(struct layer_paths *paths, lrun_error *err);

#endif
