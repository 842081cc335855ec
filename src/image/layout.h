/* SPDX-License-Identifier: MIT */
/*
 * Finding one image in a folder that holds images as layers:
 *
 *      OCI image layout     index.json ─> (index for several platforms) ─> manifest
 *                                                  manifest ─> configuration, layers; in blobs/
 *      docker save          manifest.json ─> configuration, layers
 *
 * All of it is hostile. Documents are bounded, links do not lead out of the folder, and what is
 * named by a digest is used only when it has that digest: manifest and configuration here, layers
 * when they are unpacked, by the digests of their contents that the configuration gives.
 */
#ifndef IMAGE_LAYOUT_H
#define IMAGE_LAYOUT_H

#include "image/image.h"

#include <stddef.h>

enum layout_kind { LAYOUT_NONE, LAYOUT_OCI, LAYOUT_DOCKER };

/* What the folder is, by the files that it has. A newer `docker save` writes both: OCI. */
enum layout_kind layout_kind(int folder);

/* What registries allow for a manifest. */
#define LAYOUT_MAX_DOCUMENT (4 << 20)

struct layout {
    struct image image;   /* entrypoint, cmd, env, user and workdir; nothing else is set */
    char *architecture;   /* as the image says, e.g. "amd64"; "" when it does not */
    size_t count;         /* of layers, at least one; lowest first */
    int *layers;          /* open for reading */
    const char **digests; /* of what they unpack to, 64 hex digits; into `document` */
    void *document;
};

/* Gives the SHA-256 of an open file from its beginning, as 64 hex digits. */
typedef int (*layout_digest_fn)(void *user, int fd, char hex[IMAGE_HEX_LENGTH + 1], lr_error *err);

/*
 * Reads the folder's one image; of an image for several platforms that of this machine. Free it
 * with layout_free(), also after a failure. Errors: IMAGE_INVALID, IO_FAILED, OUT_OF_MEMORY.
 */
int layout_read(struct layout *out, int folder, layout_digest_fn digest, void *user, lr_error *err);
void layout_free(struct layout *layout);
#define cleanup_layout __attribute__((cleanup(layout_free)))

/*
 * Bytes of the layers and the configuration that a manifest names, by what it says. Of an index
 * *total is 0, and `digest` that of this machine's manifest in it ("sha256:<hex>"); else it is "".
 * -1: neither.
 */
int layout_total(const char *text, size_t length, uint64_t *total,
                 char digest[IMAGE_DIGEST_LENGTH + 1]);

/* The name of this machine's architecture in images, e.g. "amd64". Static. */
const char *layout_host_architecture(void);

#endif
