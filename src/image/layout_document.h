/* SPDX-License-Identifier: MIT */
/*
 * Converts one JSON document of an image to fields (wire/fields.h). Parsing JSON takes up to 80
 * times its size in memory, and all of it is hostile. So only light-runner-unpack parses it,
 * confined and with a memory limit.
 *
 *      kind     the document                     fields
 *      index    index.json of an OCI layout      next...; or those of a manifest
 *      blob     an index or a manifest that      of an index: next...
 *               an index refers to               of a manifest: config, layer..., elsewhere...
 *                                                of something that is not an image: artifact
 *      docker   manifest.json of `docker save`   config, layer... (paths)
 *      config   an image's configuration         architecture, entrypoint..., cmd..., env...,
 *                                                user, workdir, digest...
 *      total    an index or a manifest           next...; or total (bytes)
 *
 *   - next: 64 hex digits of a document that the index leads to. If there are several, their
 *     contents tell which of them is the image.
 *   - config, layer: 64 hex digits.
 *   - elsewhere: 64 hex digits of a layer that the image need not contain.
 *   - artifact: the type of the artifact.
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

/* The maximum size of the answer. */
#define LAYOUT_DOCUMENT_ANSWER_MAX (1 << 20)

/* If the document lists several images, `name` selects one, in the stored form; may be NULL.
 * Errors: IMAGE_INVALID, OUT_OF_MEMORY. */
int layout_document_read(struct buffer *out, const char *kind, const char *name, const char *text,
                         size_t length, lrun_error *err);

#endif
