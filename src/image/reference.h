/* SPDX-License-Identifier: MIT */
/*
 * What an image's name means to a registry: [HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST]. As in Docker,
 * the part before the first slash is a host only if it contains a dot or a colon, or is
 * "localhost"; otherwise the image is on Docker Hub.
 */
#ifndef IMAGE_REFERENCE_H
#define IMAGE_REFERENCE_H

#include <stdbool.h>

/* Whether the registry is on this machine: "localhost", or an address in 127.0.0.0/8. */
bool reference_is_loopback(const char *reference);

/* Returns the reference in skopeo's form, "docker://...", malloc'd; NULL if out of memory. If
 * there is a digest, the tag is dropped: the digest is sufficient, and skopeo rejects
 * references with both. */
char *reference_for_skopeo(const char *reference);

#endif
