/* SPDX-License-Identifier: MIT */
/*
 * The index of the store, index.json:
 *
 *      {"version": 1, "images": [{"name", "digest", "size", "created",
 *                                 "config": {"entrypoint", "cmd", "env", "user", "workdir"}}]}
 *
 * It is read strictly. An index with an invalid value, or of a newer version, is rejected as a
 * whole, so that this version never rewrites anything that it cannot read.
 */
#ifndef IMAGE_INDEX_H
#define IMAGE_INDEX_H

#include "image/image.h"

#include <stddef.h>

#define INDEX_VERSION   1
#define INDEX_MAX_BYTES (64u << 20)

struct index {
    struct image *images;
    size_t count;
};

/* Errors: IO_FAILED (corrupt), NOT_SUPPORTED (newer version). */
int index_parse(struct index *out, const char *text, size_t length, lrun_error *err);

/* Returns the text of the index, malloc'd; NULL if out of memory. */
char *index_dump(const struct index *index);

/* Returns the image with that name, in the stored form, or NULL. */
struct image *index_find(const struct index *index, const char *name);

/* Adds the image to the index; it replaces an image of the same name. Takes over the
 * contents of `image`. */
int index_put(struct index *index, struct image *image, lrun_error *err);

void index_drop(struct index *index, struct image *image);

/* Whether any image of the index has this digest. */
bool index_uses(const struct index *index, const char *digest);

void index_free(struct index *index);
#define cleanup_index __attribute__((cleanup(index_free)))

/* Copies all members. On failure *out is empty. */
int image_copy(struct image *out, const struct image *from, lrun_error *err);

#endif
