/* SPDX-License-Identifier: MIT */
#include "host/scratch.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "host/loop.h"
#include "host/mount.h"
#include "host/pass_fd.h"
#include "host/spawn.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* ms. Longer than loop_attach() waits for a device. */
enum { MAKE_TIMEOUT = 60000 };

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

/* Removes what make_folders() has made. */
static void remove_folders(int at, const struct scratch_layout *layout)
{
    size_t count = 0;
    while (layout && layout->folders[count].path)
        count++;
    while (count-- > 0)
        (void)unlinkat(at, layout->folders[count].path, AT_REMOVEDIR);
}

/* chmod() sets the mode, because mkdir() obeys the umask. */
static int make_folders(int at, const struct scratch_layout *layout, lrun_error *err)
{
    for (size_t i = 0; layout && layout->folders[i].path; i++)
        if (mkdirat(at, layout->folders[i].path, 0700) < 0 ||
            fchmodat(at, layout->folders[i].path, layout->folders[i].mode, 0) < 0)
            return error_errno(err, LRUN_STORAGE_FAILED, "volume.create", errno,
                               "cannot make '%s' for the run's storage", layout->folders[i].path);
    return 0;
}

/*
 * Makes the template in an unnamed file and names it when it is complete, so that nothing is left
 * if we are killed in between. If another supervisor was faster, it has made the same template.
 * mkfs.ext4 copies the folders of the layout, which are in `model`.
 */
static int make_template(int dirfd, const char *name, uint64_t bytes, const char *model,
                         lrun_error *err)
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
    const char *argv[20] = {"mkfs.ext4", "-q", "-F", "-b",     "4096", "-i",    "8192",
                            "-m",        "0",  "-O", features, "-E",   extended};
    size_t count = 13;
    if (model) {
        argv[count++] = "-d";
        argv[count++] = model;
    }
    argv[count++] = path;
    argv[count++] = size;
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
    } while (count > SCRATCH_TEMPLATES && unlinkat(dirfd, oldest, 0) == 0);
}

static int make_template_in(int dirfd, const char *name, uint64_t bytes,
                            const struct scratch_layout *layout, const char *model, lrun_error *err)
{
    cleanup_close int at = -1;
    if (!layout)
        return make_template(dirfd, name, bytes, NULL, err);
    at = open(model, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (at < 0)
        return error_errno(err, LRUN_STORAGE_FAILED, "volume.create", errno, "cannot open '%s'",
                           model);
    int failed =
        make_folders(at, layout, err) < 0 || make_template(dirfd, name, bytes, model, err) < 0;
    remove_folders(at, layout);
    return failed ? -1 : 0;
}

/*
 * Opens the template, a file system of that size and layout, and an unnamed sparse file that will
 * become a copy of it. A full disk is detected here: later it would be an I/O error within the run.
 * A template that does not exist is made in the folder `model`. If that is NULL, the result is 1.
 */
static int open_files(const struct scratch_spec *spec, const char *model, int *template, int *file,
                      lrun_error *err)
{
    const struct scratch_layout *layout = spec->layout;
    char name[96];
    struct stat st;
    struct statvfs room;
    snprintf(name, sizeof(name), "ext4-8k-%s%s%" PRIu64 ".template", layout ? layout->name : "",
             layout ? "-" : "", spec->bytes);
    cleanup_close int dirfd = open(spec->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0)
        return error_errno(err, LRUN_STORAGE_FAILED, "volume.create", errno, "cannot open '%s'",
                           spec->folder);
    *template = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
    if (*template <0 && errno == ENOENT) {
        if (!model)
            return 1;
        if (make_template_in(dirfd, name, spec->bytes, layout, model, err) < 0)
            return -1;
        *template = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
        forget_templates(dirfd);
    } else if (*template >= 0) {
        (void)futimens(*template, NULL);
    }
    *file = openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (*template >= 0 && *file >= 0 && fstat(*template, &st) == 0 && fstatvfs(dirfd, &room) == 0 &&
        ftruncate(*file, (off_t)spec->bytes) == 0) {
        if ((uint64_t)st.st_blocks * 512 <= (uint64_t)room.f_bfree * room.f_frsize)
            return 0;
        errno = ENOSPC;
    }
    return error_errno(err, LRUN_STORAGE_FAILED, "volume.create", errno,
                       "cannot make the run's storage in '%s'", spec->folder);
}

int scratch_file(const char *folder, uint64_t bytes, int *out, lrun_error *err)
{
    const struct scratch_spec spec = {folder, bytes, NULL};
    cleanup_close int template = -1, file = -1;
    if (open_files(&spec, "", &template, &file, err) < 0)
        return -1;
    if (copy_data(template, file, (off_t)bytes) < 0)
        return error_errno(err, LRUN_STORAGE_FAILED, "volume.create", errno,
                           "cannot make the run's storage in '%s'", folder);
    *out = steal_fd(&file);
    return 0;
}

/* Returns a mount that is attached nowhere, or -1 with errno. */
static int mount_device(const char *path)
{
    static const char *const flags[] = {"noinit_itable", "nodiscard", "nobarrier"};
    cleanup_close int fs = fsopen("ext4", FSOPEN_CLOEXEC);
    if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "source", path, 0) < 0)
        return -1;
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        if (fsconfig(fs, FSCONFIG_SET_FLAG, flags[i], NULL, 0) < 0)
            return -1;
    return fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0
               ? -1
               : fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME);
}

/*
 * The file is attached to the loop device while it is empty, and is filled through the device. If
 * it held data, the kernel would write that data to disk when the file is attached. Data that was
 * written to the device is still in memory at the mount, which reads it without asking the device
 * again. To save disk writes there are no barriers either: only this run reads the file system, and
 * it ends with the run. Returns 0 with a mount that is attached nowhere; or 1, see open_files().
 */
static int make(int *out, const struct scratch_spec *spec, const char *model, lrun_error *err)
{
    cleanup_close int template = -1, file = -1;
    char path[LOOP_PATH];
    int rc = open_files(spec, model, &template, &file, err);
    if (rc != 0)
        return rc;
    cleanup_close int device = loop_attach(file, false, path);
    if (device < 0) {
        int failed = errno;
        error_errno(err, LRUN_STORAGE_FAILED, "volume.create", failed,
                    "no loop device for the run's storage");
        return loop_hint(failed, err);
    }
    if (copy_data(template, device, (off_t)spec->bytes) < 0 || (*out = mount_device(path)) < 0)
        return error_errno(err, LRUN_STORAGE_FAILED, "volume.create", errno,
                           "cannot mount the run's storage");
    return 0;
}

static int attach(int mount, const char *target, int *root, lrun_error *err)
{
    if (move_mount(mount, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
        (*root = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        return error_errno(err, LRUN_STORAGE_FAILED, "volume.create", errno,
                           "cannot mount the run's storage");
    return 0;
}

int scratch_mount(const struct scratch_spec *spec, const char *target, int *root, lrun_error *err)
{
    cleanup_close int mount = -1;
    return make(&mount, spec, target, err) < 0 ? -1 : attach(mount, target, root, err);
}

/* What the other process sends, together with the mount. */
struct report {
    bool made;
    lrun_error error; /* its code is LRUN_OK: there was no template */
};

int scratch_begin(struct scratch_birth *out, const struct scratch_spec *spec, lrun_error *err)
{
    int ends[2];
    *out = SCRATCH_BIRTH_NONE;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return error_errno(err, LRUN_STORAGE_FAILED, "volume.create", errno,
                           "cannot make a socket pair");
    cleanup_close int ours = ends[0], theirs = ends[1];
    pid_t pid = process_clone(&out->child, 0);
    if (pid == 0) {
        struct report report = {0};
        int mount = -1;
        report.made = make(&mount, spec, NULL, &report.error) == 0;
        (void)pass_fd_send(theirs, mount, &report, sizeof(report));
        _exit(0);
    }
    if (pid < 0)
        return error_errno(err, LRUN_STORAGE_FAILED, "volume.create", errno, "cannot fork");
    out->socket = steal_fd(&ours);
    return 0;
}

static int finish(struct scratch_birth *b, const struct scratch_spec *spec, const char *target,
                  int *root, lrun_error *err)
{
    struct report report;
    cleanup_close int mount = -1;
    if (io_wait(b->socket, POLLIN, clock_ms() + MAKE_TIMEOUT) < 0 ||
        pass_fd_receive(b->socket, &mount, &report, sizeof(report)) < 0)
        return error_errno(err, LRUN_STORAGE_FAILED, "volume.create", errno,
                           "nothing came of the run's storage");
    if (report.made)
        return attach(mount, target, root, err);
    if (report.error.code == LRUN_OK)
        return scratch_mount(spec, target, root, err);
    *err = report.error;
    return -1;
}

int scratch_finish(struct scratch_birth *b, const struct scratch_spec *spec, const char *target,
                   int *root, lrun_error *err)
{
    int failed = finish(b, spec, target, root, err);
    scratch_abandon(b);
    return failed;
}

void scratch_abandon(struct scratch_birth *b)
{
    process_destroy(&b->child);
    cleanup_close_fd(&b->socket);
}

int scratch_mount_memory(uint64_t bytes, const char *target, lrun_error *err)
{
    char options[96];
    snprintf(options, sizeof(options), "mode=0755,size=%" PRIu64 ",nr_inodes=%" PRIu64, bytes,
             bytes / 8192);
    return mount_tmpfs(target, options, err);
}

void scratch_discard(int scratch)
{
    uint32_t how = EXT4_GOING_FLAGS_NOLOGFLUSH;
    struct statvfs used;
    if (scratch >= 0 && fstatvfs(scratch, &used) == 0 &&
        (uint64_t)(used.f_blocks - used.f_bfree) * used.f_frsize >= discard_worth)
        (void)ioctl(scratch, EXT4_IOC_SHUTDOWN, &how);
}
