/* SPDX-License-Identifier: MIT */
/*
 * What the name of an image means to a registry: [HOST[:PORT]/]REPOSITORY[:TAG][@DIGEST]. As with
 * Docker, the part before the first slash is a host only if it has a dot or a colon, or is
 * "localhost"; else the image is one of Docker Hub.
 */
#ifndef IMAGE_REFERENCE_H
#define IMAGE_REFERENCE_H

#include <stdbool.h>

/* Whether the registry is on this machine: "localhost", or an address in 127.0.0.0/8. */
bool reference_is_loopback(const char *reference);

/* The reference as skopeo takes it, "docker://...", malloc'd; NULL when memory is out. Where there
 * is a digest, which says all, a tag beside it is left out: skopeo refuses it. */
char *reference_for_skopeo(const char *reference);

#endif
