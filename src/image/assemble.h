/* SPDX-License-Identifier: MIT */
/*
 * The steps that every way into the store has in common:
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

/* The folder of the staging folder that becomes the image. */
#define ASSEMBLY_ROOTFS "rootfs"

struct assembly {
    struct staging staging;
    char *helper;                    /* light-runner-unpack */
    struct image_feedback *feedback; /* may be NULL */
    struct confinement confinement;  /* of all helpers */
    const char *name; /* chooses among several images, in the stored form; may be NULL. Borrowed */
    uint64_t max_bytes;    /* of what is unpacked */
    uint64_t longest_name; /* in it, in bytes */
    char *high_ids;        /* of what has been unpacked; NULL: it has none */
};

/* Sweeps the store and begins a staging folder. End it with assembly_end(), also on failure. */
int assembly_begin(struct assembly *a, struct store *store, struct image_feedback *feedback,
                   lrun_error *err);
void assembly_end(struct assembly *a);
#define ASSEMBLY_NONE                                                                              \
    ((struct assembly){.staging = {.folder = -1}, .confinement = CONFINEMENT_NONE})
#define cleanup_assembly __attribute__((cleanup(assembly_end)))

/* Unpacks the archive, from the fd's position on, into ASSEMBLY_ROOTFS. */
int assembly_unpack_archive(struct assembly *a, int fd, lrun_error *err);

/*
 * Unpacks the layers of the image that an open folder holds (image/layout.h) into ASSEMBLY_ROOTFS.
 * *config gets its entrypoint, cmd, env, user and workdir; free it with image_free().
 */
int assembly_unpack_layers(struct assembly *a, int folder, struct image *config, lrun_error *err);

/* What an open document of an image says: a layout_ask_fn whose user is the assembly. */
int assembly_ask(void *user, const char *kind, int fd, struct buffer *out, lrun_error *err);

/* Writes ASSEMBLY_ROOTFS as a tar to the fd, from its position on. */
int assembly_pack(struct assembly *a, int fd, lrun_error *err);

/* Makes the image of ASSEMBLY_ROOTFS and stores it under the name, which is in the stored form.
 * What `config` holds goes over to *out. */
int assembly_store(struct assembly *a, const char *name, struct image *config, struct image *out,
                   lrun_error *err);

/* A tree that is somewhere else: the root of a sandbox that has ended. */
struct assembly_tree {
    const char *path;   /* absolute */
    int user_namespace; /* in which its owners are those of the image */
    uid_t owner;        /* the host's id of that namespace's root */
};

/* The same of such a tree, which stays as it is. */
int assembly_store_tree(struct assembly *a, const struct assembly_tree *tree, const char *name,
                        struct image *config, struct image *out, lrun_error *err);

#endif
