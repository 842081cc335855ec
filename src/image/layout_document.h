/* SPDX-License-Identifier: MIT */
/*
 * What one JSON document of an image says, as fields (wire/fields.h). JSON needs up to 80 times its size in memory while it is
 * read, and all of it is hostile: so it is read by light-runner-unpack, confined and limited, and by nothing else.
 *
 *      kind     the document                          fields
 *      index    index.json of an OCI layout           next... (of an index: 64 hex digits of the document that it leads to; several,
 *                                                     of which one is the image); or
 *      blob     a document that it leads to           config, layer... (of a manifest: 64 hex digits), elsewhere... (those of its
 *                                                     layers that need not be in it); or
 *                                                     artifact (of one that is no image's: what it is)
 *      docker   manifest.json of `docker save`        config, layer... (paths)
 *      config   an image's configuration              architecture, entrypoint..., cmd..., env..., user, workdir, digest...
 *      total    an index or a manifest                next...; or total (bytes)
 */
#ifndef IMAGE_LAYOUT_DOCUMENT_H
#define IMAGE_LAYOUT_DOCUMENT_H

#include "base/buffer.h"
#include "base/error.h"

#define LAYOUT_DOCUMENT_INDEX  "index"
#define LAYOUT_DOCUMENT_BLOB   "blob"
#define LAYOUT_DOCUMENT_DOCKER "docker"
#define LAYOUT_DOCUMENT_CONFIG "config"
#define LAYOUT_DOCUMENT_TOTAL  "total"

/* The longest answer. */
#define LAYOUT_DOCUMENT_ANSWER_MAX (1 << 20)

/* Of several images that of the name, in the stored form, is meant; may be NULL. Errors: IMAGE_INVALID, OUT_OF_MEMORY. */
int layout_document_read(struct buffer *out, const char *kind, const char *name, const char *text,
                         size_t length, lrun_error *err);

#endif
