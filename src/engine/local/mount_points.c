/* SPDX-License-Identifier: MIT */
#include "engine/local/mount_points.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const char operation[] = "volume.create";

static const struct {
    const char *name;
    mode_t mode;
} folders[] = {{"dev", 0755}, {"proc", 0555}, {"sys", 0555}};

enum { FOLDER_COUNT = sizeof(folders) / sizeof(folders[0]) };

static int open_folder(int at, const char *name)
{
    return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int failed_at(const char *name, lrun_error *err)
{
    return error_errno(err, LRUN_STORAGE_FAILED, operation, errno,
                       "cannot make the mount point '%s' in the run's storage", name);
}

static int make_file(int at, const char *name, uint32_t owner)
{
    cleanup_close int fd = openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    return fd < 0 ? -1 : fchown(fd, owner, owner);
}

/* Finds the image's own entry of that name. False if there is none, or if it is not a folder. */
static bool find_folder(const char *image, const char *name, struct stat *st)
{
    cleanup_close int root = open_folder(AT_FDCWD, image);
    return root >= 0 && fstatat(root, name, st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st->st_mode);
}

/* The overlay merges the folders of both layers and shows the upper one's
 * attributes, so copy them. */
static int make_etc(const struct mount_points *m, int upper)
{
    struct stat st = {.st_mode = 0755, .st_uid = m->owner, .st_gid = m->owner};
    bool merged = find_folder(m->image, "etc", &st);
    if (mkdirat(upper, "etc", 0755) < 0)
        return -1;
    cleanup_close int etc = open_folder(upper, "etc");
    const struct timespec times[2] = {st.st_atim, st.st_mtim};
    return etc < 0 || make_file(etc, "resolv.conf", m->owner) < 0 ||
                   fchown(etc, st.st_uid, st.st_gid) < 0 || fchmod(etc, st.st_mode & 07777) < 0 ||
                   (merged && futimens(etc, times) < 0)
               ? -1
               : 0;
}

int mount_points_make(const struct mount_points *m, lrun_error *err)
{
    cleanup_close int upper = open_folder(AT_FDCWD, m->upper);
    if (upper < 0)
        return failed_at("/", err);
    for (size_t i = 0; i < FOLDER_COUNT; i++)
        /* EEXIST: the template of the run's storage has them. */
        if ((mkdirat(upper, folders[i].name, folders[i].mode) < 0 && errno != EEXIST) ||
            fchownat(upper, folders[i].name, m->owner, m->owner, AT_SYMLINK_NOFOLLOW) < 0)
            return failed_at(folders[i].name, err);
    if (m->agent && make_file(upper, m->agent + 1, m->owner) < 0)
        return failed_at(m->agent, err);
    return m->resolv_conf && make_etc(m, upper) < 0 ? failed_at("/etc/resolv.conf", err) : 0;
}

/* The sandbox could not change the mount point, but it could rename or replace
 * the folder around it. */
static int remove_resolv_conf(const struct mount_points *m, int upper)
{
    struct stat st;
    cleanup_close int etc = open_folder(upper, "etc");
    if (etc >= 0 && fstatat(etc, "resolv.conf", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(st.st_mode) && st.st_size == 0 && unlinkat(etc, "resolv.conf", 0) < 0)
        return -1;
    /* If the image has a folder `etc`, both are merged: the upper one stays, with
     * the run's changes. */
    if (find_folder(m->image, "etc", &st) || unlinkat(upper, "etc", AT_REMOVEDIR) == 0)
        return 0;
    return errno == ENOTEMPTY || errno == ENOTDIR || errno == ENOENT ? 0 : -1;
}

int mount_points_remove(const struct mount_points *m, lrun_error *err)
{
    cleanup_close int upper = open_folder(AT_FDCWD, m->upper);
    bool failed = upper < 0;
    for (size_t i = 0; !failed && i < FOLDER_COUNT; i++)
        failed = unlinkat(upper, folders[i].name, AT_REMOVEDIR) < 0 && errno != ENOENT;
    if (failed || (m->agent && unlinkat(upper, m->agent + 1, 0) < 0 && errno != ENOENT) ||
        (m->resolv_conf && remove_resolv_conf(m, upper) < 0))
        return error_errno(err, LRUN_STORAGE_FAILED, operation, errno,
                           "cannot remove the mount points from the run's storage");
    return 0;
}
