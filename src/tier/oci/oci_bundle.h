/* SPDX-License-Identifier: MIT */
/*
 * The bundle's config.json, which tells the OCI runtime what to do. It contains all defaults of
 * the sandbox: namespaces, capabilities, seccomp, masked paths.
 */
#ifndef TIER_OCI_OCI_BUNDLE_H
#define TIER_OCI_OCI_BUNDLE_H

#include "base/error.h"
#include "host/id_map.h"
#include "tier/gpu/cdi.h"

#include <stdbool.h>
#include <stdint.h>

/* Our own processes in a sandbox, in addition to the request's: the agent. */
enum { OCI_BUNDLE_OWN_PIDS = 1 };

struct oci_bundle {
    const char *rootfs; /* absolute path of the root */
    const char *hostname;
    const char *agent;        /* path of the agent on the host */
    const char *agent_target; /* path of the agent in the sandbox, see tier/agent_name.h */
    bool kernel_log;          /* the agent reads the kernel's log as evidence */
    bool no_new_privileges;
    /* The runtime starts with the sandbox's resource limits, and must not set them. */
    bool keeps_limits;
    const char *user_namespace; /* path of the namespace to join; NULL: a new one */
    const struct id_map *ids;   /* the ids that the namespace maps */
    /* Path of the namespace to join; NULL: a new one with only a loopback interface. */
    const char *network_namespace;
    const char *resolv_conf; /* host file to show as /etc/resolv.conf; NULL: the image's own */
    const char
        *limits; /* host folder to show, read-only, as /sys/fs/cgroup; NULL: the path is hidden */
    const char *const *
        limit_names; /* folders in it that are mounts of their own; ends with NULL; "" is the folder
                      * itself. NULL: the runtime shows them together with it */
    const char *cgroup_path; /* NULL: the runtime does not touch cgroups */
    const char
        *seccomp_path; /* the distribution's profile; NULL: the agent installs its own filter */
    const struct cdi_edits *edits; /* changes for devices; NULL: none */

    /* For gVisor, which mounts the image by itself. It writes changes to a single file in
     * `upper`, of up to upper_bytes. `rootfs` is then an empty folder. NULL: `rootfs` already
     * contains everything. */
    const char *image;
    const char *upper;
    uint64_t upper_bytes;
};

/* Returns the most that the agent may do, as names of capabilities(7): a JSON array. In gVisor's
 * own kernel it may do more. New reference; NULL if out of memory. */
json_t *oci_bundle_capabilities(bool in_gvisor);

/* Return the paths of /proc and /sys that are hidden from a sandbox, and the paths that it
 * may not write to: JSON arrays. `limits`: the sandbox sees its own cgroup. For the
 * read-only paths, `limits` also means that we do not make the mounts ourselves. New
 * reference; NULL if out of memory. */
json_t *oci_bundle_masked_paths(bool limits);
json_t *oci_bundle_read_only_paths(bool limits);

/* Returns the text of config.json, malloc'd; NULL with an error. Errors: CONTAINER_START_FAILED. */
char *oci_bundle_config(const struct oci_bundle *b, lrun_error *err);

#endif
