/* SPDX-License-Identifier: MIT */
#include "run/sink.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static const char operation[] = "extract.write";

enum { TAR_BLOCK = 512 };

static int open_beneath(int dirfd, const char *path, uint64_t flags, uint64_t mode)
{
    struct open_how how = {
        .flags = flags | O_CLOEXEC,
        .mode = mode,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    return (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
}

/* Sets the umask only for this call. This is safe because the process has one thread. */
static int make_folder(int dirfd, const char *name, mode_t mode, mode_t mask)
{
    mode_t before = umask(mask);
    int rc = mkdirat(dirfd, name, mode);
    umask(before);
    return rc;
}

/* Like mkdir -p. The path comes from the caller, so it may lead through symlinks. */
static int make_parents(const char *path, mode_t mask, lrun_error *err)
{
    cleanup_free char *copy = strdup(path);
    if (!copy)
        return error_oom(err, operation);
    for (char *p = copy + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (make_folder(AT_FDCWD, copy, 0777, mask) < 0 && errno != EEXIST)
            return error_errno(err, LRUN_EXTRACT_FAILED, operation, errno, "cannot make '%s'",
                               copy);
        *p = '/';
    }
    if (make_folder(AT_FDCWD, copy, 0777, mask) < 0 && errno != EEXIST)
        return error_errno(err, LRUN_EXTRACT_FAILED, operation, errno, "cannot make '%s'", copy);
    return 0;
}

int sink_open(struct sink *out, const char *to, mode_t mask, uint64_t max, lrun_error *err)
{
    *out = SINK_NONE;
    out->max = max;
    out->umask = mask;
    if (make_parents(to, mask, err) < 0)
        return -1;
    out->root = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (out->root < 0)
        return error_errno(err, LRUN_EXTRACT_FAILED, operation, errno,
                           "'%s' is not a folder to write in", to);
    return 0;
}

/* Half a file looks like a whole file, so remove it. */
static void drop_file(struct sink *s)
{
    if (s->file < 0)
        return;
    cleanup_close_fd(&s->file);
    (void)unlinkat(s->file_folder, s->file_name, 0);
}

static int open_folder(int root, const char *path)
{
    return open_beneath(root, path, O_RDONLY | O_DIRECTORY, 0);
}

void sink_close(struct sink *s)
{
    drop_file(s);
    folder_times_leave(&s->folders, NULL, s->root, open_folder);
    cleanup_close_fd(&s->parent_fd);
    cleanup_close_fd(&s->root);
}

static int charge(struct sink *s, uint64_t bytes, lrun_error *err)
{
    if (bytes > s->max - s->bytes)
        return error_set(err, LRUN_EXTRACT_FAILED, operation, "over the limit of %" PRIu64 " bytes",
                         s->max);
    s->bytes += bytes;
    return 0;
}

/*
 * A .git that existed before belongs to the caller's repository. The next `git` there executes its
 * hooks and obeys its settings, so nothing from a sandbox may get into it or replace it.
 */
static int check_git(struct sink *s, const char *path, lrun_error *err)
{
    for (const char *at = path; *at; at += *at == '/') {
        size_t length = strcspn(at, "/"), end = (size_t)(at - path) + length;
        if (length == 4 && strncasecmp(at, ".git", 4) == 0) {
            if (strlen(s->git) == end && memcmp(s->git, path, end) == 0)
                return 0;
            memcpy(s->git, path, end);
            s->git[end] = '\0';
            cleanup_close int fd = open_beneath(s->root, s->git, O_PATH | O_NOFOLLOW, 0);
            if (fd < 0 && errno == ENOENT)
                return 0;
            s->git[0] = '\0';
            return error_set(err, LRUN_EXTRACT_FAILED, operation,
                             "'%.200s' would change a Git repository that was there before", path);
        }
        at += length;
    }
    return 0;
}

/* Checks the name and charges an entry. Gives the folder that it goes into, and its last
 * segment. */
static int open_parent(struct sink *s, const char *path, int *dirfd, const char **name,
                       lrun_error *err)
{
    if (!text_path_is_beneath(path))
        return error_set(err, LRUN_EXTRACT_FAILED, operation, "path traversal rejected: '%.200s'",
                         path);
    if (s->file >= 0)
        return error_set(err, LRUN_EXTRACT_FAILED, operation, "an entry within a file");
    folder_times_leave(&s->folders, path, s->root, open_folder);
    if (charge(s, TAR_BLOCK, err) < 0 || check_git(s, path, err) < 0)
        return -1;
    const char *slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    *dirfd = s->root;
    if (!slash)
        return 0;
    size_t length = (size_t)(slash - path);
    if (s->parent_fd < 0 || strlen(s->parent) != length || memcmp(s->parent, path, length) != 0) {
        cleanup_close_fd(&s->parent_fd);
        memcpy(s->parent, path, length);
        s->parent[length] = '\0';
        s->parent_fd = open_beneath(s->root, s->parent, O_PATH | O_DIRECTORY, 0);
        if (s->parent_fd < 0)
            return error_errno(err, LRUN_EXTRACT_FAILED, operation, errno,
                               "cannot write into the folder '%.200s'", s->parent);
    }
    *dirfd = s->parent_fd;
    return 0;
}

int sink_folder(struct sink *s, const char *path, mode_t mode, struct timespec modified,
                lrun_error *err)
{
    int dirfd;
    const char *name;
    if (open_parent(s, path, &dirfd, &name, err) < 0)
        return -1;
    /* The owner's bits stay set, because the folder's contents are yet to come. */
    if (make_folder(dirfd, name, (mode & 0777) | 0700, s->umask & 077) == 0) {
        folder_times_add(&s->folders, path, modified);
        return 0;
    }
    struct stat st;
    if (errno == EEXIST && fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISDIR(st.st_mode))
        return 0;
    return error_errno(err, LRUN_EXTRACT_FAILED, operation, errno,
                       "cannot make the folder '%.200s'", path);
}

int sink_file(struct sink *s, const char *path, mode_t mode, struct timespec modified,
              lrun_error *err)
{
    int dirfd;
    const char *name;
    if (open_parent(s, path, &dirfd, &name, err) < 0)
        return -1;
    uint64_t flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
    s->file = open_beneath(dirfd, name, flags, 0600);
    /* An existing file is replaced, never written through: it may be a link to somewhere else. */
    if (s->file < 0 && errno == EEXIST && unlinkat(dirfd, name, 0) == 0)
        s->file = open_beneath(dirfd, name, flags, 0600);
    if (s->file < 0)
        return error_errno(err, LRUN_EXTRACT_FAILED, operation, errno, "cannot write '%.200s'",
                           path);
    strcpy(s->file_name, name);
    s->file_folder = dirfd;
    s->file_mode = mode & 0777 & ~s->umask;
    s->file_modified = modified;
    s->file_size = 0;
    return 0;
}

int sink_data(struct sink *s, const void *data, size_t length, lrun_error *err)
{
    if (s->file < 0)
        return error_set(err, LRUN_EXTRACT_FAILED, operation, "data outside a file");
    /* A block is charged when its first byte arrives. */
    uint64_t before = (s->file_size + TAR_BLOCK - 1) / TAR_BLOCK;
    uint64_t after = (s->file_size + length + TAR_BLOCK - 1) / TAR_BLOCK;
    if (charge(s, (after - before) * TAR_BLOCK, err) < 0)
        return -1;
    s->file_size += length;
    if (io_write_all(s->file, data, length, IO_NO_DEADLINE) < 0)
        return error_errno(err, LRUN_EXTRACT_FAILED, operation, errno, "cannot write");
    return 0;
}

int sink_file_end(struct sink *s, lrun_error *err)
{
    if (s->file < 0)
        return error_set(err, LRUN_EXTRACT_FAILED, operation, "an end outside a file");
    int failed = fchmod(s->file, s->file_mode) < 0 ? errno : 0;
    /* Ignore a failure: if the file system does not support the time, the file is still good. */
    (void)futimens(s->file, FOLDER_TIMES_BOTH(s->file_modified));
    /* A full or remote disk may report an error only now. */
    if (close(steal_fd(&s->file)) < 0 && !failed)
        failed = errno;
    if (failed)
        (void)unlinkat(s->file_folder, s->file_name, 0);
    return failed ? error_errno(err, LRUN_EXTRACT_FAILED, operation, failed, "cannot write") : 0;
}
