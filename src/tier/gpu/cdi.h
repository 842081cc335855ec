/* SPDX-License-Identifier: MIT */
/*
 * GPUs by the Container Device Interface (CDI): a vendor's tool writes a spec of what a container
 * needs for a device (nodes, driver libraries, variables, hooks), and the program that starts the
 * container follows it. https://github.com/cncf-tags/container-device-interface
 *
 * Specs tell us which host files to show and which programs to start, so only the administrator
 * may write them: folders and files that anyone except root could have written are rejected
 * (cdi.c). Even so, specs are not trusted blindly: edits that would weaken the sandbox are
 * rejected, and files are shown read-only (cdi_edits.c).
 *
 *     cdi.c          the folders and the specs in them
 *     cdi_yaml.c     converts a YAML spec to the equivalent JSON
 *     cdi_select.c   the devices that a `gpus` value selects
 *     cdi_edits.c    converts containerEdits to changes of an OCI bundle
 */
#ifndef TIER_GPU_CDI_H
#define TIER_GPU_CDI_H

#include "base/error.h"

#include <jansson.h>

/* Folders with specs, lowest priority first, unless $LIGHT_RUNNER_CDI_DIRS names others. */
#define CDI_FOLDERS "/etc/cdi:/var/run/cdi"

#define CDI_HINT_GENERATE                                                                          \
    "for NVIDIA's: nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml; other vendors have "     \
    "such a tool too"

/* A GPU in a spec. The JSON is borrowed from the spec. */
struct cdi_device {
    char *kind; /* e.g. nvidia.com/gpu */
    char *name; /* e.g. 0, GPU-4c5b..., all */
    size_t spec;
    unsigned priority;   /* the folder's priority */
    const json_t *edits; /* the device's own containerEdits */
};

/* The GPUs of this machine, without devices of other classes. */
struct cdi {
    struct cdi_spec {
        char *path;
        json_t *document;
    } * specs;
    size_t spec_count;
    struct cdi_device *devices; /* in natural order: gpu=2 before gpu=10 */
    size_t device_count;
};

/* Reads all specs in the folders. Errors: CONTAINER_START_FAILED, even for a single bad spec: the
 * run may need that one. Call cdi_free() in any case. */
int cdi_load(struct cdi *out, lrun_error *err);

/* Like cdi_load(), for one folder or for one text. If two devices have the same name, the one
 * with the higher priority counts. */
int cdi_load_folder(struct cdi *c, const char *folder, unsigned priority, lrun_error *err);
int cdi_add_spec(struct cdi *c, const char *path, unsigned priority, const char *text,
                 size_t length, lrun_error *err);

void cdi_free(struct cdi *c);

/* Lists the devices for people: "nvidia.com/gpu=0, nvidia.com/gpu=1"; truncated to `size`. */
void cdi_list(const struct cdi *c, char *out, size_t size);

/*
 * Selects the devices that a `gpus` value names: "all", a count, or names ("0,1", "device=0").
 * *out gets their indices in c->devices (malloc'd). Errors: INVALID_ARGUMENT if a device is
 * missing, CONTAINER_START_FAILED if there is no GPU at all.
 */
int cdi_select(const struct cdi *c, const char *gpus, size_t **out, size_t *count, lrun_error *err);

/* The changes to make to a bundle, in OCI's own terms. */
struct cdi_edits {
    char **env; /* for the command: NAME=value, ends with NULL; NULL: none */
    json_t
        *nodes; /* {path: {major, minor, mode}}: cdi_edits_make_nodes() adds them to the mounts */
    json_t *mounts; /* {path: OCI mount} */
    json_t *hooks;  /* [OCI hook], all of the stage createContainer */
};

/* Collects the edits of these devices and of their specs. Errors: CONTAINER_START_FAILED. Call
 * cdi_edits_free() in any case. */
int cdi_edits_collect(struct cdi_edits *out, const struct cdi *c, const size_t *devices,
                      size_t count, lrun_error *err);

/* Creates the device nodes in a folder (empty, on a file system that allows devices) and adds
 * mounts that show the nodes in the sandbox. */
int cdi_edits_make_nodes(struct cdi_edits *e, const char *folder, lrun_error *err);

void cdi_edits_free(struct cdi_edits *e);

/* Converts a `gpus` value to edits: all of the above. */
int cdi_edits_for(struct cdi_edits *out, const char *gpus, lrun_error *err);

/* Checks that a folder or a file belongs to root, and that nobody else can write to it. */
int cdi_check_owner(int fd, const char *path, lrun_error *err);

/* Converts a YAML document to JSON; new reference. Errors: CONTAINER_START_FAILED. */
json_t *cdi_yaml_parse(const char *text, size_t length, lrun_error *err);

#endif
