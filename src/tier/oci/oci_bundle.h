/* SPDX-License-Identifier: MIT */
/*
 * The bundle's config.json, which tells gVisor what to do. It contains all defaults of the sandbox:
 * namespaces, capabilities, masked paths.
 */
#ifndef TIER_OCI_OCI_BUNDLE_H
#define TIER_OCI_OCI_BUNDLE_H

#include "base/error.h"
#include "host/id_map.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Our own processes in a sandbox, in addition to the request's: the agent. */
enum { OCI_BUNDLE_OWN_PIDS = 1 };

struct oci_bundle {
    const char *rootfs;   /* absolute path of an empty folder: gVisor mounts the image by itself */
    const char *image;    /* path of the image's file */
    const char *upper;    /* folder with room for the one file that gVisor writes changes to */
    uint64_t upper_bytes; /* the most that this file may take */
    const char *hostname;
    const char *agent;        /* path of the agent on the host */
    const char *agent_target; /* path of the agent in the sandbox, see tier/agent_name.h */
    bool no_new_privileges;
    const struct id_map *ids; /* the ids that the sandbox's user namespace maps */
    /* Path of the namespace to join; NULL: a new one with only a loopback interface. */
    const char *network_namespace;
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
