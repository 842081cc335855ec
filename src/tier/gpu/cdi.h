/* SPDX-License-Identifier: MIT */
/*
 * GPUs by the Container Device Interface (CDI): a vendor's tool writes down in a spec what a
 * container needs for a device (nodes, driver libraries, variables, hooks), and whoever starts the
 * container follows it. https://github.com/cncf-tags/container-device-interface
 *
 * Specs tell us what to show of the host and which programs to start, so they are the
 * administrator's word: folders and files that others than root could have written are refused
 * (cdi.c). And they are not taken at their word: what would weaken the sandbox is refused, what is
 * shown is read-only (cdi_edits.c).
 *
 *     cdi.c          the folders and the specs in them
 *     cdi_yaml.c     a spec in YAML as the JSON that it stands for
 *     cdi_select.c   which devices a `gpus` value means
 *     cdi_edits.c    what their containerEdits come to in an OCI bundle
 */
#ifndef TIER_GPU_CDI_H
#define TIER_GPU_CDI_H

#include "base/error.h"

#include <jansson.h>

/* Folders with specs, lowest priority first, when $LIGHT_RUNNER_CDI_DIRS names no others. */
#define CDI_FOLDERS "/etc/cdi:/var/run/cdi"

#define CDI_HINT_GENERATE                                                                          \
    "for NVIDIA's: nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml; other vendors have "     \
    "such a tool too"

/* A GPU that a spec describes. The JSON is borrowed from the spec. */
struct cdi_device {
    char *kind; /* nvidia.com/gpu */
    char *name; /* 0, GPU-4c5b..., all */
    size_t spec;
    unsigned priority;   /* of its folder */
    const json_t *edits; /* its own containerEdits */
};

/* The GPUs of this machine: devices of other classes are left out. */
struct cdi {
    struct cdi_spec {
        char *path;
        json_t *document;
    } * specs;
    size_t spec_count;
    struct cdi_device *devices; /* in natural order: gpu=2 before gpu=10 */
    size_t device_count;
};

/* Reads every spec of the folders. Errors: CONTAINER_START_FAILED, also for a single bad spec: it
 * may be the one that the run needs. cdi_free() is due in any case. */
int cdi_load(struct cdi *out, lrun_error *err);

/* The same for one folder, or one text. Of two devices with one name the higher priority stays. */
int cdi_load_folder(struct cdi *c, const char *folder, unsigned priority, lrun_error *err);
int cdi_add_spec(struct cdi *c, const char *path, unsigned priority, const char *text,
                 size_t length, lrun_error *err);

void cdi_free(struct cdi *c);

/* What there is, for people: "nvidia.com/gpu=0, nvidia.com/gpu=1"; cut to the size. */
void cdi_list(const struct cdi *c, char *out, size_t size);

/*
 * The devices that a `gpus` value means: "all", a count, or names ("0,1", "device=0"), as indices
 * into c->devices (malloc'd). Errors: INVALID_ARGUMENT for what is not there, CONTAINER_START_FAILED
 * where there is no GPU at all.
 */
int cdi_select(const struct cdi *c, const char *gpus, size_t **out, size_t *count, lrun_error *err);

/* What is to be done to a bundle, in the OCI's own terms. */
struct cdi_edits {
    char **env; /* for the command: NAME=value, closed by NULL; NULL: none */
    json_t
        *nodes; /* {path: {major, minor, mode}}: cdi_edits_make_nodes() adds them to the mounts */
    json_t *mounts; /* {path: OCI mount} */
    json_t *hooks;  /* [OCI hook] of the stage createContainer */
};

/* The edits of these devices and of the specs that they are from. Errors: CONTAINER_START_FAILED.
 * cdi_edits_free() is due in any case. */
int cdi_edits_collect(struct cdi_edits *out, const struct cdi *c, const size_t *devices,
                      size_t count, lrun_error *err);

/* Makes the device nodes in a folder (empty, on a file system that has devices) and adds what shows
 * them in the sandbox to the mounts. */
int cdi_edits_make_nodes(struct cdi_edits *e, const char *folder, lrun_error *err);

void cdi_edits_free(struct cdi_edits *e);

/* All of it: a `gpus` value to edits. */
int cdi_edits_for(struct cdi_edits *out, const char *gpus, lrun_error *err);

/* Whether a folder or a file is root's, and nobody else can write to it. */
int cdi_check_owner(int fd, const char *path, lrun_error *err);

/* A YAML document as JSON; new reference. Errors: CONTAINER_START_FAILED. */
json_t *cdi_yaml_parse(const char *text, size_t length, lrun_error *err);

#endif
