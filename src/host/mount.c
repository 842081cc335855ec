/* SPDX-License-Identifier: MIT */
#include "host/mount.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "host/rootless.h"
#include "host/spawn.h"
#include "host/walled.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/loop.h>
#include <sched.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
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

int mount_share(const char *target, lrun_error *err)
{
    if (mount(NULL, target, NULL, MS_SHARED, NULL) < 0)
        return error_errno(err, LRUN_START_FAILED, "mount.share", errno, "cannot share '%s'",
                           target);
    return 0;
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

/* Attaches the file to a free loop device, which frees itself with its last user. Returns the fd,
 * or -1. */
static int loop_attach(int file, bool read_only, char path[32])
{
    cleanup_close int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    if (control < 0)
        return -1;
    /* Another process may take the device before we configure it: ask again. */
    for (int tries = 0; tries < 64; tries++) {
        int number = ioctl(control, LOOP_CTL_GET_FREE);
        if (number < 0)
            return -1;
        snprintf(path, 32, "/dev/loop%d", number);
        cleanup_close int device = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
        if (device < 0) {
            if (errno == ENOENT || errno == EBUSY || errno == ENXIO)
                continue;
            return -1;
        }
        struct loop_config config = {
            .fd = (uint32_t)file,
            .block_size = 4096,
            .info.lo_flags = LO_FLAGS_AUTOCLEAR | (read_only ? LO_FLAGS_READ_ONLY : 0),
        };
        if (ioctl(device, LOOP_CONFIGURE, &config) == 0)
            return steal_fd(&device);
        if (errno != EBUSY)
            return -1;
    }
    errno = EBUSY;
    return -1;
}

static const char loop_hint[] = "load the loop driver: modprobe loop";

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
        error_errno(err, LRUN_START_FAILED, "mount.image", errno, "no loop device for the image");
        return error_hint(err, "%s", loop_hint);
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

/* From the kernel's fs/ext4/ext4.h: no header for programs has them. */
#define EXT4_IOC_SHUTDOWN           _IOR('X', 125, uint32_t)
#define EXT4_GOING_FLAGS_NOLOGFLUSH 2

/* In bytes. The kernel logs an alert for each shutdown, so do it only if it saves much. */
static const uint64_t discard_worth = (uint64_t)64 << 20;

/* Copies only the parts that hold data. */
static int copy_data(int from, int to, off_t size)
{
    char block[64 * 1024];
    for (off_t at = 0; at < size;) {
        off_t start = lseek(from, at, SEEK_DATA);
        if (start < 0)
            return errno == ENXIO ? 0 : -1;
        at = lseek(from, start, SEEK_HOLE);
        if (at < 0)
            return -1;
        while (start < at) {
            size_t want = at - start < (off_t)sizeof(block) ? (size_t)(at - start) : sizeof(block);
            ssize_t n = pread(from, block, want, start);
            if (n <= 0 || pwrite(to, block, (size_t)n, start) != n) {
                errno = n == 0 ? EIO : errno;
                return -1;
            }
            start += n;
        }
    }
    return 0;
}

/* Makes the template in an unnamed file and names it when it is complete, so that nothing is left
 * if we are killed in between. If another supervisor was faster, it has made the same template. */
static int make_template(int dirfd, const char *name, uint64_t bytes, lrun_error *err)
{
    cleanup_close int fd = openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0)
        return error_errno(err, LRUN_STORAGE_FAILED, "volume.create", errno,
                           "cannot make a file of %" PRIu64 " bytes for the run's storage", bytes);
    char path[64], size[32];
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), fd);
    snprintf(size, sizeof(size), "%" PRIu64 "k", bytes / 1024);
    /* No journal and no lazy background work: the file system lives for one run. */
    static const char features[] = "^has_journal,^resize_inode";
    static const char extended[] = "lazy_itable_init=1,nodiscard,root_owner=0:0";
    const char *const argv[] = {"mkfs.ext4", "-q", "-F",     "-b", "4096",   "-i", "8192", "-m",
                                "0",         "-O", features, "-E", extended, path, size,   NULL};
    if (spawn_program(argv, 60000, NULL, 0, LRUN_STORAGE_FAILED, err) < 0)
        return error_hint(err, "apt-get install e2fsprogs");
    if (linkat(AT_FDCWD, path, dirfd, name, AT_SYMLINK_FOLLOW) < 0 && errno != EEXIST)
        return error_errno(err, LRUN_STORAGE_FAILED, "volume.create", errno, "cannot keep '%s'",
                           name);
    return 0;
}

/* If there are more templates than anybody uses in turn, removes those that were not used for
 * longest. A template that is being copied is open, so its removal does no harm. */
static void forget_templates(int dirfd)
{
    char oldest[NAME_MAX + 1];
    size_t count;
    do {
        cleanup_closedir DIR *entries = io_list(dirfd);
        struct timespec least = {0};
        count = 0;
        if (!entries)
            return;
        for (struct dirent *e; (e = readdir(entries));) {
            struct stat st;
            if (fnmatch("ext4-*.template", e->d_name, 0) != 0 ||
                fstatat(dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                continue;
            bool older = st.st_mtim.tv_sec < least.tv_sec ||
                         (st.st_mtim.tv_sec == least.tv_sec && st.st_mtim.tv_nsec < least.tv_nsec);
            if (count++ == 0 || older) {
                least = st.st_mtim;
                snprintf(oldest, sizeof(oldest), "%s", e->d_name);
            }
        }
    } while (count > MOUNT_TEMPLATES && unlinkat(dirfd, oldest, 0) == 0);
}

/*
 * Opens the template, an empty file system of that size, and an unnamed sparse file that will
 * become a copy of it. A full disk is detected here: later it would be an I/O error within the run.
 */
static int open_scratch(const char *folder, uint64_t bytes, int *template, int *file,
                        lrun_error *err)
{
    char name[64];
    struct stat st;
    struct statvfs room;
    snprintf(name, sizeof(name), "ext4-8k-%" PRIu64 ".template", bytes);
    cleanup_close int dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0)
        return error_errno(err, LRUN_STORAGE_FAILED, "volume.create", errno, "cannot open '%s'",
                           folder);
    *template = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
    if (*template <0 && errno == ENOENT) {
        if (make_template(dirfd, name, bytes, err) < 0)
            return -1;
        *template = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
        forget_templates(dirfd);
    } else if (*template >= 0) {
        (void)futimens(*template, NULL);
    }
    *file = openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (*template >= 0 && *file >= 0 && fstat(*template, &st) == 0 && fstatvfs(dirfd, &room) == 0 &&
        ftruncate(*file, (off_t)bytes) == 0) {
        if ((uint64_t)st.st_blocks * 512 <= (uint64_t)room.f_bfree * room.f_frsize)
            return 0;
        errno = ENOSPC;
    }
    return error_errno(err, LRUN_STORAGE_FAILED, "volume.create", errno,
                       "cannot make the run's storage in '%s'", folder);
}

int mount_scratch_file(const char *folder, uint64_t bytes, int *out, lrun_error *err)
{
    cleanup_close int template = -1, file = -1;
    if (open_scratch(folder, bytes, &template, &file, err) < 0)
        return -1;
    if (copy_data(template, file, (off_t)bytes) < 0)
        return error_errno(err, LRUN_STORAGE_FAILED, "volume.create", errno,
                           "cannot make the run's storage in '%s'", folder);
    *out = steal_fd(&file);
    return 0;
}

/*
 * The file is attached to the loop device while it is empty, and is filled through the device. If
 * it held data, the kernel would write that data to disk when the file is attached. Data that was
 * written to the device is still in memory at the mount, which reads it without asking the device
 * again. To save disk writes there are no barriers either: only this run reads the file system, and
 * it ends with the run.
 */
int mount_scratch(const char *folder, uint64_t bytes, const char *target, int *root,
                  lrun_error *err)
{
    cleanup_close int template = -1, file = -1;
    char path[32];
    if (open_scratch(folder, bytes, &template, &file, err) < 0)
        return -1;
    cleanup_close int device = loop_attach(file, false, path);
    if (device < 0) {
        error_errno(err, LRUN_STORAGE_FAILED, "volume.create", errno,
                    "no loop device for the run's storage");
        return error_hint(err, "%s", loop_hint);
    }
    if (copy_data(template, device, (off_t)bytes) < 0 ||
        mount(path, target, "ext4", MS_NODEV | MS_NOATIME, "noinit_itable,nodiscard,nobarrier") <
            0 ||
        (*root = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        return error_errno(err, LRUN_STORAGE_FAILED, "volume.create", errno,
                           "cannot mount the run's storage");
    return 0;
}

int mount_scratch_memory(uint64_t bytes, const char *target, lrun_error *err)
{
    char options[96];
    snprintf(options, sizeof(options), "mode=0755,size=%" PRIu64 ",nr_inodes=%" PRIu64, bytes,
             bytes / 8192);
    return mount_tmpfs(target, options, err);
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

void mount_scratch_discard(int scratch)
{
    uint32_t how = EXT4_GOING_FLAGS_NOLOGFLUSH;
    struct statvfs used;
    if (scratch >= 0 && fstatvfs(scratch, &used) == 0 &&
        (uint64_t)(used.f_blocks - used.f_bfree) * used.f_frsize >= discard_worth)
        (void)ioctl(scratch, EXT4_IOC_SHUTDOWN, &how);
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
