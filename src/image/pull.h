/* SPDX-License-Identifier: MIT */
/*
 * Pulling an image from a registry:
 *
 *      registry ── skopeo ──> OCI image layout ── as an import ──> store
 *                             staging folder
 *
 * Skopeo knows registries, credentials, proxies and signature policies; it gets the caller's
 * environment, as it reads all of those from there and from $HOME. It sees no more of the image
 * than its documents: layers are unpacked by the confined unpacker.
 */
#ifndef IMAGE_PULL_H
#define IMAGE_PULL_H

#include "image/feedback.h"
#include "image/store.h"

struct pull_options {
    bool insecure; /* take a registry without TLS, or with a certificate that proves nothing. One on
                      a loopback address is always taken so */
};

/*
 * Pulls what the reference names, for this machine's platform, and stores it under the reference,
 * with ":latest" where it has no tag. *out is what was stored; free it with image_free(). `options`
 * and `feedback` may be NULL. It blocks until the end; `feedback->progress` can stop it.
 * Errors: INVALID_ARGUMENT (the reference), IMAGE_NOT_FOUND (the registry has no such image),
 * IMAGE_INVALID (not what its digest says, hostile, not for this machine), IO_FAILED (the registry
 * is not reached, breaks off, or wants other credentials; the disk), NOT_SUPPORTED (skopeo is
 * missing).
 */
int pull_image(struct store *store, const char *reference, const struct pull_options *options,
               struct image *out, struct image_feedback *feedback, lrun_error *err);

#endif
