/* SPDX-License-Identifier: MIT */
#include "host/mount.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "host/loop.h"
#include "host/rootless.h"
#include "host/walled.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>

int mount_private_namespace(lrun_error *err)
{
    if (unshare(CLONE_NEWNS) < 0) {
        bool forbidden = errno == EPERM;
        error_errno(err, LRUN_START_FAILED, "mount.namespace", errno,
                    "cannot make a mount namespace");
        const char *command = rootless_forbidden();
        return forbidden ? error_hint(err, "%s", command[0] ? command : walled_hint()) : -1;
    }
    /* Slave, not private: a long run must not keep a mount busy that the host unmounts. */
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        return error_errno(err, LRUN_START_FAILED, "mount.namespace", errno,
                           "cannot detach from the host's mounts");
    return 0;
}

int mount_tmpfs(const char *target, const char *options, lrun_error *err)
{
    if (mount("light-runner", target, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0)
        return error_errno(err, LRUN_START_FAILED, "mount.tmpfs", errno,
                           "cannot mount a tmpfs at '%s'", target);
    return 0;
}

int mount_detached(const char *path, unsigned recursive, uint64_t attributes)
{
    struct mount_attr attr = {.attr_set = attributes, .propagation = MS_PRIVATE};
    cleanup_close int fd =
        open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive);
    if (fd < 0 || mount_setattr(fd, "", AT_EMPTY_PATH | recursive, &attr, sizeof(attr)) < 0)
        return -1;
    return steal_fd(&fd);
}

int mount_devices(const char *target, lrun_error *err)
{
    if (mount("light-runner", target, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0711,size=64k") < 0)
        return error_errno(err, LRUN_START_FAILED, "mount.devices", errno,
                           "cannot mount a tmpfs at '%s'", target);
    return 0;
}

int mount_namespace(int namespace, const char *target, lrun_error *err)
{
    char source[64];
    snprintf(source, sizeof(source), "/proc/self/fd/%d", namespace);
    cleanup_close int file = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0 || mount(source, target, NULL, MS_BIND, NULL) < 0)
        return error_errno(err, LRUN_START_FAILED, "mount.namespace", errno,
                           "cannot keep a namespace at '%s'", target);
    return 0;
}

int mount_shift_owners(const char *target, int user_namespace, lrun_error *err)
{
    cleanup_close int tree = open_tree(AT_FDCWD, target, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)user_namespace};
    if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 ||
        move_mount(tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return error_errno(err, LRUN_START_FAILED, "mount.shift_owners", errno,
                           "cannot map the image's owners into the user namespace");
    return 0;
}

static const unsigned long erofs_flags = MS_RDONLY | MS_NODEV;

static int erofs_failed(int failed, lrun_error *err)
{
    error_errno(err, LRUN_START_FAILED, "mount.image", failed, "cannot mount the image");
    if (failed == ENODEV)
        return error_hint(err, "load the EROFS driver: modprobe erofs");
    return failed == EUCLEAN || failed == EINVAL
               ? error_hint(err, "its file is damaged: remove the image and import it again")
               : -1;
}

int mount_erofs_loop(int image_fd, const char *target, lrun_error *err)
{
    char path[32];
    cleanup_close int device = loop_attach(image_fd, true, path);
    if (device < 0) {
        int failed = errno;
        error_errno(err, LRUN_START_FAILED, "mount.image", failed, "no loop device for the image");
        return loop_hint(failed, err);
    }
    return mount(path, target, "erofs", erofs_flags, NULL) == 0 ? 0 : erofs_failed(errno, err);
}

int mount_erofs(int image_fd, const char *target, lrun_error *err)
{
    char source[64];
    snprintf(source, sizeof(source), "/proc/self/fd/%d", image_fd);
    if (mount(source, target, "erofs", erofs_flags, NULL) == 0)
        return 0;
    return errno == ENOTBLK ? mount_erofs_loop(image_fd, target, err) : erofs_failed(errno, err);
}

int mount_folder(int folder, const char *target, lrun_error *err)
{
    cleanup_close int tree =
        open_tree(folder, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV};
    if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 ||
        move_mount(tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return error_errno(err, LRUN_START_FAILED, "mount.folder", errno,
                           "cannot show the image's files at '%s'", target);
    return 0;
}

/*
 * redirect_dir: a folder of the image can be renamed; without it rename(2) fails with EXDEV. index:
 * a file of the image with several names stays one file when it is written to. xino: the file keeps
 * its inode number then. The kernel records all this in attributes (trusted.overlay.*) that nobody
 * in a sandbox can write. In a user namespace it uses other attributes, with which it offers
 * neither redirect_dir nor index.
 */
static const char overlay_options[] = "redirect_dir=on,index=on,xino=on";
static const char overlay_options_user[] = "userxattr,xino=on";

/* ms. With an index the kernel rejects layers that are still mounted. A namespace that has ended
 * takes a moment to unmount them. */
enum { OVERLAY_PATIENCE = 5000 };

int mount_overlay(const char *lower, const char *upper, const char *work, const char *target,
                  bool nosuid, lrun_error *err)
{
    char options[1024];
    snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s,volatile,%s", lower,
             upper, work, rootless_active() ? overlay_options_user : overlay_options);
    unsigned long flags = MS_NODEV | (nosuid ? MS_NOSUID : 0);
    int64_t deadline = clock_ms() + OVERLAY_PATIENCE;
    int failed;
    while ((failed = mount("overlay", target, "overlay", flags, options) < 0 ? errno : 0) ==
               EBUSY &&
           clock_ms() < deadline)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    if (failed) {
        error_errno(err, LRUN_START_FAILED, "mount.overlay", failed,
                    "cannot mount the sandbox's root");
        return failed == ENODEV ? error_hint(err, "load the overlay driver: modprobe overlay") : -1;
    }
    return 0;
}

int mount_overlay_move_index(const char *work, const char *fresh, lrun_error *err)
{
    char from[512], to[512];
    snprintf(from, sizeof(from), "%s/index", work);
    snprintf(to, sizeof(to), "%s/index", fresh);
    if (rename(from, to) < 0 && errno != ENOENT)
        return error_errno(err, LRUN_IO_FAILED, "mount.overlay", errno, "cannot move '%s' to '%s'",
                           from, to);
    return 0;
}
