/* SPDX-License-Identifier: MIT */
/*
 * The steps that importing and pulling an image have in common:
 *
 *      archive ────────────────┐
 *                              ├─ light-runner-unpack ─> rootfs/ ─ mkfs.erofs ─> file ─> store
 *      folder of layers ───────┘      (both confined, image/confinement.h)
 */
#ifndef IMAGE_ASSEMBLE_H
#define IMAGE_ASSEMBLE_H

#include "base/buffer.h"
#include "image/confinement.h"
#include "image/feedback.h"
#include "image/staging.h"
#include "image/store.h"

#include <sys/types.h>

/* The folder inside the staging folder that becomes the image. */
#define ASSEMBLY_ROOTFS "rootfs"

struct assembly {
    struct staging staging;
    char *helper;                    /* path of light-runner-unpack */
    struct image_feedback *feedback; /* may be NULL */
    struct confinement confinement;  /* for all helpers */
    const char *name; /* selects one of several images, in the stored form; may be NULL. Borrowed */
    uint64_t max_bytes;    /* limit for the unpacked files */
    uint64_t longest_name; /* of the unpacked files, in bytes */
    char *high_ids;        /* of the unpacked files; NULL: there are none */
};

/* Sweeps the store and creates a staging folder. Call assembly_end() in any case. */
int assembly_begin(struct assembly *a, struct store *store, struct image_feedback *feedback,
                   lrun_error *err);
void assembly_end(struct assembly *a);
#define ASSEMBLY_NONE                                                                              \
    ((struct assembly){.staging = {.folder = -1}, .confinement = CONFINEMENT_NONE})
#define cleanup_assembly __attribute__((cleanup(assembly_end)))

/* Unpacks the archive into ASSEMBLY_ROOTFS, from the current position of the fd. */
int assembly_unpack_archive(struct assembly *a, int fd, lrun_error *err);

/*
 * Unpacks the layers of the image in an open folder (image/layout.h) into ASSEMBLY_ROOTFS. *config
 * gets the image's entrypoint, cmd, env, user and workdir; free it with image_free().
 */
int assembly_unpack_layers(struct assembly *a, int folder, struct image *config, lrun_error *err);

/* Puts the fields of an open image document into *out. A layout_ask_fn; `user` is the assembly. */
int assembly_ask(void *user, const char *kind, int fd, struct buffer *out, lrun_error *err);

/* Writes ASSEMBLY_ROOTFS as a tar to the fd, at its current position. */
int assembly_pack(struct assembly *a, int fd, lrun_error *err);

/* Makes an image from ASSEMBLY_ROOTFS and stores it under `name`, which is in the stored form. The
 * contents of `config` move to *out. */
int assembly_store(struct assembly *a, const char *name, struct image *config, struct image *out,
                   lrun_error *err);

/* A tree outside the staging folder: the root of a sandbox that has ended. */
struct assembly_tree {
    const char *path;   /* absolute */
    int user_namespace; /* in which the files have the owners that the image will have */
    uid_t owner;        /* the host id of that namespace's root */
};

/* Like assembly_store(), but for a tree outside the staging folder. The tree is not changed. */
int assembly_store_tree(struct assembly *a, const struct assembly_tree *tree, const char *name,
                        struct image *config, struct image *out, lrun_error *err);

#endif
