/* SPDX-License-Identifier: MIT */
/*
 * Pulling an image from a registry:
 *
 *      registry ── skopeo ──> OCI image layout ── as an import ──> store
 *                             staging folder
 *
 * Skopeo handles registries, credentials, proxies and signature policies. It gets the caller's
 * environment, because it reads all of those from there and from $HOME. Of the image, skopeo
 * interprets only the documents: the confined unpacker unpacks the layers.
 */
#ifndef IMAGE_PULL_H
#define IMAGE_PULL_H

#include "image/feedback.h"
#include "image/store.h"

struct pull_options {
    /* Accept a registry without TLS, or with a certificate that cannot be verified. Registries on
     * loopback addresses are always accepted. */
    bool insecure;
};

/*
 * Pulls the referenced image for this machine's platform, and stores it under the reference, with
 * ":latest" if it has no tag. *out describes the stored image; free it with image_free().
 * `options` and `feedback` may be NULL. Blocks until the end; `feedback->progress` can stop it.
 * Errors: INVALID_ARGUMENT (the reference), IMAGE_NOT_FOUND (the registry has no such image),
 * IMAGE_INVALID (it does not match its digest, is hostile, or not for this machine), IO_FAILED
 * (the registry is unreachable, drops the connection, or rejects the credentials; the disk),
 * NOT_SUPPORTED (skopeo is missing).
 */
int pull_image(struct store *store, const char *reference, const struct pull_options *options,
               struct image *out, struct image_feedback *feedback, lrun_error *err);

#endif
