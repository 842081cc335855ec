/* SPDX-License-Identifier: MIT */
/*
 * The mount points that the launcher or an OCI runtime finds in the root of a sandbox.
 *
 * An image decides what its root contains, so it may have a link at any path where a runtime mounts
 * something. Runtimes resolve such links, and some do it wrongly. Through an image's link `dev`,
 * crun before 1.28 (CVE-2026-47766) and runc before 1.3.6 (CVE-2026-41579) create files and links
 * in a folder of the host. Through a link into /proc, runc before 1.2.8 and 1.3.3 (CVE-2025-52881)
 * mounts a file at a different place than the link leads to later.
 *
 * So no runtime ever sees an image's link at these paths. Before the root is mounted, we create a
 * folder or a file at each of them in the upper layer of the overlay, and an entry of the upper
 * layer hides a link below it. Docker does the same.
 */
#ifndef ENGINE_LOCAL_MOUNT_POINTS_H
#define ENGINE_LOCAL_MOUNT_POINTS_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct mount_points {
    const char *image; /* folder with the image's files */
    const char *upper; /* folder that becomes the upper layer */
    uint32_t owner;    /* the id of the sandbox's root on the host, or in our namespace */
    /* The agent's path in the sandbox: absolute, directly below the root. NULL: it has none. */
    const char *agent;
    bool resolv_conf; /* a file of ours is mounted at /etc/resolv.conf */
};

/*
 * Makes the mount points. The image's folder `etc` stays visible with its owner, mode and time. If
 * `etc` is a link, a folder replaces it, as on Docker. Errors: VOLUME_CREATE_FAILED.
 */
int mount_points_make(const struct mount_points *m, lrun_error *err);

/* Removes the mount points from the upper layer, so that the next mount of the root shows the
 * image's own entries again. The root must not be mounted during the call. Errors:
 * VOLUME_CREATE_FAILED. */
int mount_points_remove(const struct mount_points *m, lrun_error *err);

#endif
