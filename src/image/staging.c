/* SPDX-License-Identifier: MIT */
#include "image/staging.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "host/rootless.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

/* More than the unpacker creates: it rejects paths of more than 256 names. */
#define MAX_DEPTH 300

static int remove_at(int folder, const char *name, dev_t device, int depth);

/* Empties an open folder. Closes the fd. */
static int empty_folder(int fd, dev_t device, int depth)
{
    DIR *stream = fdopendir(fd);
    if (!stream) {
        close(fd);
        return -1;
    }
    cleanup_closedir DIR *dir = stream;
    int failed = 0;
    errno = 0;
    for (struct dirent *entry; (entry = readdir(dir)); errno = 0) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (remove_at(dirfd(dir), entry->d_name, device, depth) < 0)
            failed = errno;
    }
    if (!failed)
        failed = errno;
    errno = failed;
    return failed ? -1 : 0;
}

static int remove_at(int folder, const char *name, dev_t device, int depth)
{
    if (unlinkat(folder, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -1;
    if (depth >= MAX_DEPTH) {
        errno = ELOOP;
        return -1;
    }
    int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == EACCES) {
        /* Without root, its owner may be unable to read a folder. It is not a symlink, see
         * unlinkat() above. */
        if (fchmodat(folder, name, 0700, 0) == 0)
            fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }
    if (fd < 0)
        return -1;
    struct stat st;
    if (fstat(fd, &st) < 0 || st.st_dev != device) {
        close(fd);
        errno = EXDEV;
        return -1;
    }
    if (geteuid() != 0)
        (void)fchmod(fd, 0700);
    if (empty_folder(fd, device, depth + 1) < 0)
        return -1;
    return unlinkat(folder, name, AT_REMOVEDIR);
}

int staging_remove_tree(int folder, const char *name)
{
    struct stat st;
    if (fstat(folder, &st) < 0)
        return -1;
    return remove_at(folder, name, st.st_dev, 0);
}

/* Returns 1 if another process was faster. */
static int try_begin(struct staging *out, struct store *store, lrun_error *err)
{
    unsigned char random[8];
    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        return error_errno(err, LRUN_IO_FAILED, "image.import", errno, "cannot get random numbers");
    for (size_t i = 0; i < sizeof(random); i++)
        snprintf(out->name + 2 * i, 3, "%02x", random[i]);
    if (mkdirat(store->tmp, out->name, 0700) < 0)
        return error_errno(err, LRUN_IO_FAILED, "image.import", errno, "cannot make '%s/tmp/%s'",
                           store->path, out->name);
    cleanup_close int fd =
        openat(store->tmp, out->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    /* A sweep may have seen the folder before it was locked. Then the sweep has the lock, or
     * the folder is gone. */
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
        return 1;
    struct stat held, there;
    if (fstat(fd, &held) < 0 || fstatat(store->tmp, out->name, &there, AT_SYMLINK_NOFOLLOW) < 0 ||
        held.st_ino != there.st_ino || held.st_dev != there.st_dev)
        return 1;
    if (asprintf(&out->path, "%s/tmp/%s", store->path, out->name) < 0) {
        out->path = NULL;
        return error_oom(err, "image.import");
    }
    out->store = store;
    out->folder = steal_fd(&fd);
    return 0;
}

int staging_begin(struct staging *out, struct store *store, lrun_error *err)
{
    int rc = 1;
    *out = (struct staging){.folder = -1};
    for (int i = 0; i < 16 && rc == 1; i++)
        rc = try_begin(out, store, err);
    if (rc == 1)
        return error_set(err, LRUN_IO_FAILED, "image.import", "cannot hold a folder in '%s/tmp'",
                         store->path);
    return rc;
}

void staging_end(struct staging *staging)
{
    if (!staging->store)
        return;
    /* A later sweep removes the rest, once the lock is gone. */
    (void)staging_remove_tree(staging->store->tmp, staging->name);
    cleanup_close_fd(&staging->folder);
    free(staging->path);
    *staging = (struct staging){.folder = -1};
}

struct removal {
    int folder;
    const char *name;
};

static int remove_again(void *user)
{
    const struct removal *r = user;
    return staging_remove_tree(r->folder, r->name);
}

void staging_sweep(struct store *store)
{
    cleanup_closedir DIR *dir = io_list(store->tmp);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        cleanup_close int held =
            openat(store->tmp, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (held < 0 && errno != ENOTDIR && errno != ELOOP)
            continue;
        if (held >= 0 && flock(held, LOCK_EX | LOCK_NB) < 0)
            continue;
        /* An import without root leaves files of ids that the user owns only in its namespace. */
        struct removal r = {store->tmp, entry->d_name};
        if (remove_again(&r) < 0 && rootless_has_ids())
            (void)rootless_call(remove_again, &r);
    }
}
