/* SPDX-License-Identifier: MIT */
/*
 * What a layer of an image does to the layers below it, as OCI's image specification has it:
 *
 *      a/.wh.name       a/name of the layers below is gone
 *      a/.wh..wh..opq   everything in a/ of the layers below is gone
 *      a/name           takes the place of a/name; a folder on a folder keeps what is in it
 *      .wh..wh.plnk/x   a file to which other entries of the layer are links; gone at its end
 *      .wh..wh.*        nothing
 *
 * No mark touches what the same layer has put there, in whatever order the entries come. Of two entries of one name the last
 * one counts, also where the first was a folder with something in it.
 *
 * umoci could do it, but it restores devices and file capabilities, knows no bound on what a layer
 * unpacks to, reads no zstd, and cannot be shut into the folder that it writes to, for it needs
 * files of the host. All of that the unpacker of plain archives has already.
 *
 * Paths are relative to the working directory, which is the root of the process ("/"): links are
 * followed from there, and lead nowhere else.
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

int layer_paths_add(struct layer_paths *paths, const char *path, lrun_error *err);
bool layer_paths_has(const struct layer_paths *paths, const char *path);
void layer_paths_free(struct layer_paths *paths);

/*
 * Brings a path into one form, in place: no ".", no ".." and no needless slash. Errors: IMAGE_INVALID (it leads out).
 */
int layer_tidy(char *path, lrun_error *err);

/*
 * Follows the links on the way to the last name of a tidy path: an entry lib/x goes to usr/lib/x where lib is a link, of this
 * layer or of one below, also when usr/lib is not there yet. malloc'd in *path, whose old text is freed.
 */
int layer_resolve(char **path, lrun_error *err);

/* Does what the path says when it is a mark; then *is_mark, and there is nothing to unpack. *is_mark starts as false. */
int layer_apply_mark(struct layer_paths *paths, const char *path, bool *is_mark, lrun_error *err);

/* Removes what is at the path and cannot stay there when an entry of that type comes. */
int layer_make_way(struct layer_paths *paths, const char *path, bool folder, lrun_error *err);

/* Removes what was only there for the layer's other entries. */
int layer_finish(struct layer_paths *paths, lrun_error *err);

#endif
