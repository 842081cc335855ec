/* SPDX-License-Identifier: MIT */
#include "image/import.h"

#include "base/cleanup.h"
#include "image/assemble.h"
#include "image/layout.h"

#include <fcntl.h>
#include <sys/stat.h>

#define OPERATION "image.import"

/* What an archive of layers has been unpacked to. */
#define LAYOUT "layout"

static bool has(const struct assembly *a, const char *path)
{
    struct stat st;
    return fstatat(a->staging.folder, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A root file system may have a file of any name, but without these there is nothing to run. */
static bool is_root_file_system(const struct assembly *a)
{
    return has(a, ASSEMBLY_ROOTFS "/bin") || has(a, ASSEMBLY_ROOTFS "/usr") ||
           has(a, ASSEMBLY_ROOTFS "/etc");
}

/* When what was unpacked is not the files of the image but its layers: those are unpacked in turn. */
static int take_layers(struct assembly *a, struct image *config, lr_error *err)
{
    if (is_root_file_system(a))
        return 0;
    cleanup_close int folder =
        openat(a->staging.folder, ASSEMBLY_ROOTFS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
        return error_errno(err, LR_IO_FAILED, OPERATION, errno, "cannot open what was unpacked");
    if (layout_kind(folder) == LAYOUT_NONE)
        return 0;
    if (renameat(a->staging.folder, ASSEMBLY_ROOTFS, a->staging.folder, LAYOUT) < 0)
        return error_errno(err, LR_IO_FAILED, OPERATION, errno, "cannot move what was unpacked");
    if (assembly_unpack_layers(a, folder, config, err) < 0)
        return -1;
    (void)staging_remove_tree(a->staging.folder, LAYOUT);
    return 0;
}

int import_archive(struct store *store, int fd, const char *name, struct image *out,
                   struct image_feedback *feedback, lr_error *err)
{
    char normal[IMAGE_NAME_MAX + 1];
    cleanup_image struct image config = {0};
    cleanup_assembly struct assembly a = ASSEMBLY_NONE;
    *out = (struct image){0};
    if (image_name_normalize(normal, name, err) < 0 ||
        assembly_begin(&a, store, feedback, err) < 0 || assembly_unpack_archive(&a, fd, err) < 0 ||
        take_layers(&a, &config, err) < 0)
        return -1;
    return assembly_store(&a, normal, &config, out, err);
}

int import_folder(struct store *store, int folder, const char *name, struct image *out,
                  struct image_feedback *feedback, lr_error *err)
{
    char normal[IMAGE_NAME_MAX + 1];
    cleanup_image struct image config = {0};
    cleanup_assembly struct assembly a = ASSEMBLY_NONE;
    *out = (struct image){0};
    if (image_name_normalize(normal, name, err) < 0)
        return -1;
    if (layout_kind(folder) == LAYOUT_NONE) {
        error_set(err, LR_IMAGE_INVALID, OPERATION, "the folder is not an OCI image layout");
        return error_hint(err, "for a root file system: tar -C FOLDER -c . | light-runner image "
                               "import - NAME");
    }
    if (assembly_begin(&a, store, feedback, err) < 0 ||
        assembly_unpack_layers(&a, folder, &config, err) < 0)
        return -1;
    return assembly_store(&a, normal, &config, out, err);
}
