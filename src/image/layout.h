/* SPDX-License-Identifier: MIT */
/*
 * Finding one image in a folder that holds images as layers:
 *
 *      OCI image layout     index.json ─> (index for several platforms) ─> manifest
 *                                                  manifest ─> configuration, layers; in blobs/
 *      docker save          manifest.json ─> configuration, layers
 *      skopeo's form `dir`  manifest.json, which is a manifest ─> configuration, layers; beside it
 *
 * All of it is hostile. Documents have a maximum size and are parsed by a confined helper
 * (image/layout_document.h). Links cannot lead out of the folder. A file that is named by a digest
 * is used only if it has that digest: manifest and configuration are checked here; layers are
 * checked when they are unpacked, by the digests of their contents that the configuration gives.
 */
#ifndef IMAGE_LAYOUT_H
#define IMAGE_LAYOUT_H

#include "base/buffer.h"
#include "image/image.h"

#include <stddef.h>

enum layout_kind { LAYOUT_NONE, LAYOUT_OCI, LAYOUT_DOCKER, LAYOUT_OLD };

/*
 * Tells the kind of the folder by its files. A newer `docker save` writes the files of both kinds,
 * which counts as OCI. A `docker save` from before 2016 wrote only `repositories`, which the newer
 * ones may have too; that kind (OLD) is not supported.
 */
enum layout_kind layout_kind(int folder);

/* The size that registries allow for a manifest. */
#define LAYOUT_MAX_DOCUMENT (4 << 20)

enum { LAYOUT_MAX_NESTING = 3 }; /* depth of indexes in indexes */

struct layout {
    struct image image; /* only entrypoint, cmd, env, user and workdir are set */
    char *architecture; /* from the image's configuration, e.g. "amd64"; "" if it has none */
    size_t count;       /* number of layers, at least one; the lowest layer is first */
    int *layers;        /* open for reading */
    char **digests;     /* of the unpacked layers, 64 hex digits each */
};

/* Computes the SHA-256 of a whole open file, as 64 hex digits. */
typedef int (*layout_digest_fn)(void *user, int fd, char hex[IMAGE_HEX_LENGTH + 1],
                                lrun_error *err);

/* Puts the fields of an open document into *out, read by layout_document_read() in a confined
 * process. `kind` is one of its kinds. */
typedef int (*layout_ask_fn)(void *user, const char *kind, int fd, struct buffer *out,
                             lrun_error *err);

struct layout_helpers {
    layout_digest_fn digest;
    layout_ask_fn ask;
    void *user;
};

/*
 * Reads the single image in the folder; of an image for several platforms, the image for this
 * machine. Free *out with layout_free(), also after a failure. Errors: IMAGE_INVALID,
 * IO_FAILED, OUT_OF_MEMORY.
 */
int layout_read(struct layout *out, int folder, const struct layout_helpers *helpers,
                lrun_error *err);
void layout_free(struct layout *layout);
#define cleanup_layout __attribute__((cleanup(layout_free)))

#endif
