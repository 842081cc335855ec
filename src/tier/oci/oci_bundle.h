/* SPDX-License-Identifier: MIT */
/*
 * The bundle's config.json: what the OCI runtime is told. All of the sandbox's standing defaults
 * (namespaces, capabilities, seccomp, masked paths) are in this file.
 */
#ifndef TIER_OCI_OCI_BUNDLE_H
#define TIER_OCI_OCI_BUNDLE_H

#include "base/error.h"
#include "host/id_map.h"
#include "tier/gpu/cdi.h"

#include <stdbool.h>
#include <stdint.h>

/* Processes of ours that a sandbox holds beside the request's: the agent. */
enum { OCI_BUNDLE_OWN_PIDS = 1 };

struct oci_bundle {
    const char *rootfs; /* absolute path of the root */
    const char *hostname;
    const char *agent;        /* path of the agent outside of the sandbox */
    const char *agent_target; /* where it is in the sandbox, see tier/agent_name.h */
    bool kernel_log;          /* the agent is to read the kernel's log as evidence */
    bool no_new_privileges;
    bool
        keeps_limits; /* the runtime is started with the sandbox's resource limits, and must not set them */
    const char *user_namespace;    /* path of the namespace to join; NULL: a new one */
    const struct id_map *ids;      /* and what it maps */
    const char *network_namespace; /* the same; NULL: a new one with a loopback interface only */
    const char *resolv_conf; /* host file to show as /etc/resolv.conf; NULL: the image's own */
    const char
        *limits; /* host folder to show, read-only, as /sys/fs/cgroup; NULL: that is hidden */
    const char *const *
        limit_names; /* folders in it that are mounts of their own, NULL behind the last; "" is itself.
                                     * NULL: the runtime shows them with it */
    const char *cgroup_path; /* NULL: the runtime keeps its hands off cgroups */
    const char
        *seccomp_path; /* the distribution's profile; NULL: the agent has a filter of its own */
    const struct cdi_edits *edits; /* what devices need; NULL: nothing */

    /* For gVisor, which mounts the image by itself and keeps in one file of `upper`, up to upper_bytes,
     * what is written over it. `rootfs` is an empty folder then. NULL: all that is in `rootfs` already. */
    const char *image;
    const char *upper;
    uint64_t upper_bytes;
};

/* What the agent may at most do, under the names of capabilities(7): a JSON array. In gVisor's own kernel that is
 * more. New reference; NULL when memory is out. */
json_t *oci_bundle_capabilities(bool in_gvisor);

/* The paths of /proc and /sys that a sandbox does not see, and those that it may not write: JSON arrays. `limits`: it sees its own
 * cgroup, of the second: by mounts that are not ours. New reference; NULL when memory is out. */
json_t *oci_bundle_masked_paths(bool limits);
json_t *oci_bundle_read_only_paths(bool limits);

/* The text of config.json, malloc'd; NULL with an error. Errors: CONTAINER_START_FAILED. */
char *oci_bundle_config(const struct oci_bundle *b, lrun_error *err);

#endif
