/* SPDX-License-Identifier: MIT */
#include "box/box_parts.h"
#include "box/box_places.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int attach(int tree, int place)
{
    return move_mount(tree, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}

static int attach_at(const struct box_mounts *m, const struct box *b, int tree, const char *path,
                     struct box_failure *failure)
{
    int place = box_places_open(m, b, path, 0);
    if (place < 0)
        return box_failed(failure, BOX_FIND_PLACE, path);
    int rc = attach(tree, place) < 0 ? box_failed(failure, BOX_ATTACH, path) : 0;
    close(place);
    return rc;
}

/* ---------------------------------------------------------------- the kernel's file systems */

static int configure(int fs, const struct box_filesystem *f, bool no_tty_group)
{
    if (fsconfig(fs, FSCONFIG_SET_STRING, "source", f->source, 0) < 0)
        return -1;
    for (const struct box_option *o = f->options; o->key; o++) {
        /* The kernel refuses an id that the user namespace does not have. */
        if (no_tty_group && strcmp(o->key, BOX_TTY_GROUP) == 0)
            continue;
        if (fsconfig(fs, o->value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, o->key, o->value, 0) <
            0)
            return -1;
    }
    return fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
}

static int make_filesystem(const struct box_filesystem *f, bool no_tty_group)
{
    int fs = fsopen(f->type, FSOPEN_CLOEXEC);
    int mount = -1;
    if (fs < 0)
        return -1;
    if (configure(fs, f, no_tty_group) == 0)
        mount = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)f->attributes);
    int failed = errno;
    close(fs);
    errno = failed;
    return mount;
}

int box_mounts_make(struct box_mounts *m, const struct box *b, struct box_failure *failure)
{
    for (m->count = 0; box_filesystems[m->count].type; m->count++) {
        const struct box_filesystem *f = &box_filesystems[m->count];
        m->filesystems[m->count] = make_filesystem(f, b->no_tty_group);
        if (m->filesystems[m->count] < 0)
            return box_failed(failure, BOX_MAKE_FILESYSTEM, f->target);
    }
    return 0;
}

int box_mounts_settings(const struct box_mounts *m, const struct box *b,
                        struct box_failure *failure)
{
    for (size_t i = 0; i < b->setting_count; i++) {
        const struct box_setting *s = &b->settings[i];
        int proc = m->filesystems[0],
            sys = box_places_open_beneath(proc, "sys", O_PATH | O_DIRECTORY);
        int fd = sys < 0 ? -1 : box_places_open_beneath(sys, s->name, O_WRONLY);
        size_t length = strlen(s->value);
        if (fd < 0 || write(fd, s->value, length) != (ssize_t)length)
            return box_failed(failure, BOX_SET_SETTING, s->name);
        close(fd);
        close(sys);
    }
    return 0;
}

/* ---------------------------------------------------------------- the root */

int box_mounts_place(const struct box *b, struct box_failure *failure)
{
    const char *at = b->hooks.count ? b->hooks.root_path : "/";
    for (const char *const *path = b->outside; path && *path; path++)
        if (umount2(*path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
            return box_failed(failure, BOX_LEAVE_HOST, *path);
    return move_mount(b->root, "", AT_FDCWD, at, MOVE_MOUNT_F_EMPTY_PATH) < 0
               ? box_failed(failure, BOX_PLACE_ROOT, "")
               : 0;
}

/*
 * pivot_root(".", ".") leaves the old root on top of the new one, where it can be unmounted without
 * a path for it. The mounts below it go with it.
 */
static int pivot(const struct box *b, struct box_failure *failure)
{
    int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (old < 0 || fchdir(b->root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
        return box_failed(failure, BOX_ENTER_ROOT, "");
    if (fchdir(old) < 0 || umount2(".", MNT_DETACH) < 0 || fchdir(b->root) < 0)
        return box_failed(failure, BOX_LEAVE_HOST, "");
    close(old);
    return 0;
}

int box_mounts_enter(const struct box *b, struct box_failure *failure)
{
    if (!b->outside)
        return pivot(b, failure);
    /* A root that cannot be replaced stays below the new one, with nothing mounted on it. */
    return fchdir(b->root) < 0 || chroot(".") < 0 ? box_failed(failure, BOX_ENTER_ROOT, "") : 0;
}

/* ---------------------------------------------------------------- what is in them */

/* A folder for a file system that is mounted in an earlier one of ours. */
static int make_folder(const struct box_mounts *m, const char *path, struct box_failure *failure)
{
    const char *name;
    int owner = box_places_owner(path, &name);
    return owner != BOX_IN_ROOT && mkdirat(m->filesystems[owner], name, 0755) < 0
               ? box_failed(failure, BOX_FIND_PLACE, path)
               : 0;
}

static int make_device(const struct box_mounts *m, int dev, const struct box *b, size_t i,
                       struct box_failure *failure)
{
    const struct box_device *d = &box_devices[i];
    char path[32] = "/dev/";
    strcat(path, d->name);
    mode_t kind = b->devices[i] < 0 ? S_IFCHR : S_IFREG;
    if (mknodat(dev, d->name, kind | 0666, makedev(d->major, d->minor)) < 0)
        return box_failed(failure, BOX_MAKE_DEVICE, d->name);
    return b->devices[i] < 0 ? 0 : attach_at(m, b, b->devices[i], path, failure);
}

static int fill_dev(const struct box_mounts *m, int dev, const struct box *b,
                    struct box_failure *failure)
{
    for (size_t i = 0; i < BOX_DEVICES; i++)
        if (make_device(m, dev, b, i, failure) < 0)
            return -1;
    for (const struct box_option *link = box_links; link->key; link++)
        if (symlinkat(link->value, dev, link->key) < 0)
            return box_failed(failure, BOX_MAKE_LINK, link->key);
    return 0;
}

static int clone_tree(int from, unsigned flags)
{
    return open_tree(from, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags);
}

/*
 * A mount that hides paths. The first path gets the mount itself and all others get a clone of it,
 * because a mount can be cloned only once it is attached (before Linux 6.15).
 */
struct cover {
    int mount;
    bool attached;
};

static int hide(struct cover *c, int place)
{
    if (!c->attached) {
        c->attached = true;
        return attach(c->mount, place);
    }
    int tree = clone_tree(c->mount, 0);
    int rc = tree < 0 ? -1 : attach(tree, place);
    if (tree >= 0)
        close(tree);
    return rc;
}

/* Hides one path. A path that a fresh procfs or sysfs does not have is one that this kernel does
 * not have. */
static int mask_path(const struct box_mounts *m, const struct box *b, const char *path,
                     struct cover *file, struct cover *folder, struct box_failure *failure)
{
    struct stat st;
    int place = box_places_open(m, b, path, 0);
    if (place < 0)
        return errno == ENOENT ? 0 : box_failed(failure, BOX_MASK, path);
    if (fstat(place, &st) < 0 || hide(S_ISDIR(st.st_mode) ? folder : file, place) < 0)
        return box_failed(failure, BOX_MASK, path);
    close(place);
    return 0;
}

/* A read-only /dev/null. */
static int make_file_cover(const struct box_mounts *m, const struct box *b)
{
    struct mount_attr attr = {.attr_set =
                                  MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC};
    int place = box_places_open(m, b, "/dev/null", 0);
    int tree = place < 0 ? -1 : clone_tree(place, 0);
    if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
        return -1;
    close(place);
    return tree;
}

/* One file system without any room serves all folders: nobody can change it. */
static const struct box_filesystem empty = {
    "tmpfs",
    "tmpfs",
    "/",
    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
    {{"size", "0k"}, {"mode", "755"}},
};

static int mask(const struct box_mounts *m, const struct box *b, struct box_failure *failure)
{
    struct cover file = {make_file_cover(m, b), false};
    struct cover folder = {make_filesystem(&empty, false), false};
    if (file.mount < 0 || folder.mount < 0)
        return box_failed(failure, BOX_MASK, "");
    for (const char *const *path = confinement_masked; *path; path++)
        if (!(b->shows_cgroup && strcmp(*path, CONFINEMENT_CGROUP) == 0) &&
            mask_path(m, b, *path, &file, &folder, failure) < 0)
            return -1;
    close(file.mount);
    close(folder.mount);
    return 0;
}

static int protect_path(const struct box_mounts *m, const struct box *b, const char *path,
                        struct box_failure *failure)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                                          MOUNT_ATTR_NOEXEC};
    int place = box_places_open(m, b, path, 0);
    if (place < 0)
        return errno == ENOENT ? 0 : box_failed(failure, BOX_PROTECT, path);
    int tree = clone_tree(place, AT_RECURSIVE);
    if (tree < 0 ||
        mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0 ||
        attach(tree, place) < 0)
        return box_failed(failure, BOX_PROTECT, path);
    close(tree);
    close(place);
    return 0;
}

static int attach_guest(const struct box_mounts *m, const struct box *b,
                        const struct box_tree *guest, struct box_failure *failure)
{
    int place = box_places_make(m, b, guest);
    if (place < 0)
        return box_failed(failure, BOX_FIND_PLACE, guest->target);
    int rc = attach(guest->fd, place) < 0 ? box_failed(failure, BOX_ATTACH, guest->target) : 0;
    close(place);
    return rc;
}

/* Our own trees come after the guests: whatever a guest's path leads to, they end up on top. */
int box_mounts_attach(const struct box_mounts *m, const struct box *b, struct box_failure *failure)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct box_filesystem *f = &box_filesystems[i];
        if (make_folder(m, f->target, failure) < 0 ||
            attach_at(m, b, m->filesystems[i], f->target, failure) < 0 ||
            (strcmp(f->target, "/dev") == 0 && fill_dev(m, m->filesystems[i], b, failure) < 0))
            return -1;
    }
    for (size_t i = 0; i < b->guest_count; i++)
        if (attach_guest(m, b, &b->guests[i], failure) < 0)
            return -1;
    for (size_t i = 0; i < b->tree_count; i++)
        if (attach_at(m, b, b->trees[i].fd, b->trees[i].target, failure) < 0)
            return -1;
    return 0;
}

int box_mounts_restrict(const struct box_mounts *m, const struct box *b,
                        struct box_failure *failure)
{
    if (mask(m, b, failure) < 0)
        return -1;
    for (const char *const *path = confinement_read_only; *path; path++)
        if (protect_path(m, b, *path, failure) < 0)
            return -1;
    return 0;
}
