/* SPDX-License-Identifier: MIT */
/*
 * The store's record of one image, and the syntax of image names.
 */
#ifndef IMAGE_IMAGE_H
#define IMAGE_IMAGE_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    IMAGE_NAME_MAX = 255,
    IMAGE_HEX_LENGTH = 64,
    IMAGE_DIGEST_LENGTH = 7 + IMAGE_HEX_LENGTH, /* "sha256:" and the hex digits */
    IMAGE_PREFIX_MIN = 12, /* number of hex digits that are enough to name an image by its digest */
};

struct image {
    char *name;        /* with its tag */
    char *digest;      /* "sha256:<64 hex>", of the EROFS file */
    uint64_t size;     /* of the EROFS file, in bytes */
    char *created;     /* ISO 8601, UTC */
    char **entrypoint; /* NULL-terminated, or NULL; so are cmd and env */
    char **cmd;
    char **env;     /* "NAME=value" */
    char *user;     /* "" when the image has none */
    char *workdir;  /* "" when the image has none */
    char *high_ids; /* its ids above 65535 (image/high_ids.h); NULL: there are none */
};

/* Frees the members and zeroes the struct. */
void image_free(struct image *image);
#define cleanup_image __attribute__((cleanup(image_free)))

/*
 * Checks a name and converts it to the form in which names are stored: with the tag ":latest" if it
 * has no tag. `out` has room for IMAGE_NAME_MAX + 1 bytes. Errors: INVALID_ARGUMENT.
 */
int image_name_normalize(char *out, const char *name, lrun_error *err);

/* Whether the text is "sha256:" and 64 lower-case hex digits. */
bool image_is_digest(const char *text);

/* Returns the length of the string if it consists of lower-case hex digits only, else 0. */
size_t image_hex_length(const char *text);

/* Returns the name of this machine's architecture in images, e.g. "amd64". Static. */
const char *image_host_architecture(void);

#endif
