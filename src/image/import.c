/* SPDX-License-Identifier: MIT */
#include "image/import.h"

#include "base/cleanup.h"
#include "image/assemble.h"
#include "image/docker_archive.h"
#include "image/layout.h"

#include <fcntl.h>
#include <sys/stat.h>

#define OPERATION "image.import"

/* The unpacked archive, if it contains layers. */
#define LAYOUT "layout"

static bool has(const struct assembly *a, const char *path)
{
    struct stat st;
    return fstatat(a->staging.folder, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* A root file system may contain files of any name, but without one of these there
 * is nothing to run. */
static bool is_root_file_system(const struct assembly *a)
{
    return has(a, ASSEMBLY_ROOTFS "/bin") || has(a, ASSEMBLY_ROOTFS "/usr") ||
           has(a, ASSEMBLY_ROOTFS "/etc");
}

/* If the archive contained an image's layers instead of its files, unpacks the layers. */
static int take_layers(struct assembly *a, struct image *config, lrun_error *err)
{
    if (is_root_file_system(a))
        return 0;
    cleanup_close int folder =
        openat(a->staging.folder, ASSEMBLY_ROOTFS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot open the unpacked files");
    if (layout_kind(folder) == LAYOUT_NONE)
        return 0;
    if (renameat(a->staging.folder, ASSEMBLY_ROOTFS, a->staging.folder, LAYOUT) < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot move the unpacked files");
    if (assembly_unpack_layers(a, folder, config, err) < 0)
        return -1;
    (void)staging_remove_tree(a->staging.folder, LAYOUT);
    return 0;
}

static int unpack_archive(struct assembly *a, int fd, struct image *config, lrun_error *err)
{
    return assembly_unpack_archive(a, fd, err) < 0 ? -1 : take_layers(a, config, err);
}

static int unpack_folder(struct assembly *a, int folder, struct image *config, lrun_error *err)
{
    if (layout_kind(folder) != LAYOUT_NONE)
        return assembly_unpack_layers(a, folder, config, err);
    error_set(err, LRUN_IMAGE_INVALID, OPERATION, "the folder is not an OCI image layout");
    return error_hint(err, "for a root file system: tar -C FOLDER -c . | light-runner image "
                           "import - NAME");
}

/* The type of the fd tells archives and folders apart. */
static int unpack(struct assembly *a, struct store *store, int fd, char normal[IMAGE_NAME_MAX + 1],
                  const char *name, struct image *config, struct image_feedback *feedback,
                  lrun_error *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot read the archive");
    if (image_name_normalize(normal, name, err) < 0 || assembly_begin(a, store, feedback, err) < 0)
        return -1;
    a->name = normal;
    return (S_ISDIR(st.st_mode) ? unpack_folder : unpack_archive)(a, fd, config, err);
}

int import_image(struct store *store, int fd, const char *name, struct image *out,
                 struct image_feedback *feedback, lrun_error *err)
{
    char normal[IMAGE_NAME_MAX + 1];
    cleanup_image struct image config = {0};
    cleanup_assembly struct assembly a = ASSEMBLY_NONE;
    *out = (struct image){0};
    return unpack(&a, store, fd, normal, name, &config, feedback, err) < 0
               ? -1
               : assembly_store(&a, normal, &config, out, err);
}

int import_for_docker(struct store *store, int fd, const char *name, int *archive,
                      struct image_feedback *feedback, lrun_error *err)
{
    char normal[IMAGE_NAME_MAX + 1];
    cleanup_image struct image config = {0};
    cleanup_assembly struct assembly a = ASSEMBLY_NONE;
    return unpack(&a, store, fd, normal, name, &config, feedback, err) < 0
               ? -1
               : docker_archive_make(archive, &a, normal, &config, err);
}
