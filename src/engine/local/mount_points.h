/* SPDX-License-Identifier: MIT */
/*
 * The mount points that an OCI runtime finds in the root of a sandbox.
 *
 * An image decides what its root holds, and so may hold a link wherever a runtime mounts something. Runtimes resolve
 * such links, some of them wrongly: through an image's link `dev`, crun before 1.28 (CVE-2026-47766) and runc before
 * 1.3.6 (CVE-2026-41579) make files and links in a folder of the host; through a link into /proc, runc before 1.2.8 and
 * 1.3.3 (CVE-2025-52881) mounts a file at another place than the link leads to later. So no runtime gets to see a link
 * of the image there: the run's own layer of the root, the upper layer of the overlay, has a folder or a file at each of
 * these paths before the root is mounted, and an entry of the upper layer hides a link below it. Docker does the same.
 */
#ifndef ENGINE_LOCAL_MOUNT_POINTS_H
#define ENGINE_LOCAL_MOUNT_POINTS_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct mount_points {
    const char *image; /* folder with the image's files */
    const char *upper; /* folder that becomes the upper layer */
    uint32_t owner;    /* id on the host, or in our namespace, of the sandbox's root */
    const char
        *agent; /* where the agent is in the sandbox: an absolute path directly below the root */
    bool resolv_conf; /* a file of ours is shown as /etc/resolv.conf */
};

/*
 * Makes them. A folder `etc` of the image stays visible, with its owner, mode and time; a link of that name is replaced
 * by a folder, as Docker does. Errors: VOLUME_CREATE_FAILED.
 */
int mount_points_make(const struct mount_points *m, lrun_error *err);

/* Removes them from the upper layer, so that the next mount of the root shows the image's own entries again. The root must
 * not be mounted meanwhile. Errors: VOLUME_CREATE_FAILED. */
int mount_points_remove(const struct mount_points *m, lrun_error *err);

#endif
