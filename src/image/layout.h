/* SPDX-License-Identifier: MIT */
/*
 * Finding one image in a folder that holds images as layers:
 *
 *      OCI image layout     index.json ─> (index for several platforms) ─> manifest
 *                                                  manifest ─> configuration, layers; in blobs/
 *      docker save          manifest.json ─> configuration, layers
 *      skopeo's form `dir`  manifest.json, which is a manifest ─> configuration, layers; beside it
 *
 * All of it is hostile. Documents are bounded, and read by a confined helper (image/layout_document.h); links do not lead out of the folder, and what is
 * named by a digest is used only when it has that digest: manifest and configuration here, layers
 * when they are unpacked, by the digests of their contents that the configuration gives.
 */
#ifndef IMAGE_LAYOUT_H
#define IMAGE_LAYOUT_H

#include "base/buffer.h"
#include "image/image.h"

#include <stddef.h>

enum layout_kind { LAYOUT_NONE, LAYOUT_OCI, LAYOUT_DOCKER, LAYOUT_OLD };

/*
 * What the folder is, by the files that it has. A newer `docker save` writes the files of both: OCI. One from before 2016, which
 * is not read, has only the file that the others may have as well: OLD.
 */
enum layout_kind layout_kind(int folder);

/* What registries allow for a manifest. */
#define LAYOUT_MAX_DOCUMENT (4 << 20)

enum { LAYOUT_MAX_NESTING = 3 }; /* of indexes */

struct layout {
    struct image image; /* entrypoint, cmd, env, user and workdir; nothing else is set */
    char *architecture; /* as the image says, e.g. "amd64"; "" when it does not */
    size_t count;       /* of layers, at least one; lowest first */
    int *layers;        /* open for reading */
    char **digests;     /* of what they unpack to, 64 hex digits */
};

/* Gives the SHA-256 of an open file from its beginning, as 64 hex digits. */
typedef int (*layout_digest_fn)(void *user, int fd, char hex[IMAGE_HEX_LENGTH + 1],
                                lrun_error *err);

/* Gives what an open document says, by layout_document_read() of a confined process. `kind` is one of its words. */
typedef int (*layout_ask_fn)(void *user, const char *kind, int fd, struct buffer *out,
                             lrun_error *err);

struct layout_helpers {
    layout_digest_fn digest;
    layout_ask_fn ask;
    void *user;
};

/*
 * Reads the folder's one image; of an image for several platforms that of this machine. Free it
 * with layout_free(), also after a failure. Errors: IMAGE_INVALID, IO_FAILED, OUT_OF_MEMORY.
 */
int layout_read(struct layout *out, int folder, const struct layout_helpers *helpers,
                lrun_error *err);
void layout_free(struct layout *layout);
#define cleanup_layout __attribute__((cleanup(layout_free)))

#endif
