/* SPDX-License-Identifier: MIT */
#include "seed.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static const char operation[] = "seed";

/* ms. A disk that does not take the data of one frame in this time is broken. */
enum { WRITE_TIMEOUT = 10 * 60000 };

void seed_init(struct seed *s, int root, const struct user *user)
{
    *s = (struct seed){.root = root, .user = user, .file = -1, .parent_fd = -1};
}

void seed_free(struct seed *s)
{
    cleanup_close_fd(&s->file);
    cleanup_close_fd(&s->parent_fd);
}

/* Does the same as open_folder(), but without openat2(): opens segment by segment and rejects
 * symlinks. The path has passed text_path_is_beneath(), so it contains no "..". */
static int walk_folder(int root, const char *path)
{
    cleanup_close int at = -1;
    char segment[256];
    while (*path) {
        size_t length = strcspn(path, "/");
        memcpy(segment, path, length);
        segment[length] = '\0';
        path += length + (path[length] == '/');
        int next =
            openat(at < 0 ? root : at, segment, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0)
            return -1;
        cleanup_close_fd(&at);
        at = next;
    }
    return steal_fd(&at);
}

static int open_folder(int root, const char *path)
{
    const struct open_how how = {
        .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
    /* gVisor has no openat2(), and a seccomp profile may not know it. */
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        return walk_folder(root, path);
    return fd;
}

/* Returns the folder that contains s->path in *dirfd (borrowed), and the last segment in *name. */
static int open_parent(struct seed *s, int *dirfd, const char **name, struct failure *failure)
{
    const char *slash = strrchr(s->path, '/');
    if (!slash) {
        *dirfd = s->root;
        *name = s->path;
        return 0;
    }
    size_t length = (size_t)(slash - s->path);
    *name = slash + 1;
    if (s->parent_fd < 0 || strlen(s->parent) != length ||
        memcmp(s->parent, s->path, length) != 0) {
        cleanup_close_fd(&s->parent_fd);
        memcpy(s->parent, s->path, length);
        s->parent[length] = '\0';
        s->parent_fd = open_folder(s->root, s->parent);
        if (s->parent_fd < 0)
            return failure_errno(failure, operation, errno, "cannot open the folder '%.300s'",
                                 s->parent);
    }
    *dirfd = s->parent_fd;
    return 0;
}

static int cannot(const struct seed *s, const char *what, struct failure *failure)
{
    return failure_errno(failure, operation, errno, "cannot %s '%.300s'", what, s->path);
}

static int make_folder(struct seed *s, int dirfd, const char *name, struct failure *failure)
{
    bool created = mkdirat(dirfd, name, 0700) == 0;
    if (!created && errno != EEXIST)
        return cannot(s, "make the folder", failure);
    cleanup_close int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
        return failure_set(failure, operation,
                           "cannot make the folder '%.300s': the image has something else there",
                           s->path);
    if (fd < 0)
        return cannot(s, "open the folder", failure);
    /* The owner comes first, because changing it may clear bits of the mode. */
    if (!created && !s->keeps_owners)
        user_give_folder(s->user, fd);
    else if (created && (fchown(fd, s->user->uid, s->user->gid) < 0 || fchmod(fd, s->mode) < 0))
        return cannot(s, "set the attributes of", failure);
    if (created)
        folder_times_add(&s->folders, s->path, s->modified);
    return 0;
}

static int make_file(struct seed *s, int dirfd, const char *name, struct failure *failure)
{
    static const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC;
    s->file = openat(dirfd, name, flags, 0600);
    if (s->file < 0 && errno == EEXIST) {
        if (unlinkat(dirfd, name, 0) < 0)
            return cannot(s, "replace", failure);
        s->file = openat(dirfd, name, flags, 0600);
    }
    return s->file < 0 ? cannot(s, "make", failure) : 0;
}

/* The supervisor decides which links it sends; the agent never follows them. */
static int make_link(struct seed *s, int dirfd, const char *name, const char *target,
                     struct failure *failure)
{
    int failed = symlinkat(target, dirfd, name);
    if (failed && errno == EEXIST) {
        if (unlinkat(dirfd, name, 0) < 0)
            return cannot(s, "replace", failure);
        failed = symlinkat(target, dirfd, name);
    }
    if (failed)
        return cannot(s, "make the link", failure);
    /* Through a descriptor, because a running command may have put another file in its place. */
    struct stat st;
    cleanup_close int link = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (link >= 0 && fstat(link, &st) == 0 && !S_ISLNK(st.st_mode)) {
        errno = EEXIST;
        return cannot(s, "make the link", failure);
    }
    if (link < 0 || fchownat(link, "", s->user->uid, s->user->gid, AT_EMPTY_PATH) < 0 ||
        utimensat(dirfd, name, FOLDER_TIMES_BOTH(s->modified), AT_SYMLINK_NOFOLLOW) < 0)
        return cannot(s, "set the attributes of", failure);
    return 0;
}

bool seed_parse_mode(const char *text, mode_t *out)
{
    char *end;
    if (*text < '0' || *text > '7')
        return false;
    unsigned long value = strtoul(text, &end, 8);
    *out = (mode_t)(value & 0777);
    return *end == '\0';
}

int seed_entry(struct seed *s, const struct frame *f, struct failure *failure)
{
    const char *kind = fields_get(f, "kind"), *path = fields_get(f, "path");
    const char *mode = fields_get(f, "mode"), *target = fields_get(f, "target");
    if (s->file >= 0 || !kind || !path || !mode || !seed_parse_mode(mode, &s->mode) ||
        !fields_get_time(f, &s->modified))
        return failure_set(failure, "protocol", "ENTRY");
    bool is_file = strcmp(kind, "file") == 0, is_link = strcmp(kind, "link") == 0;
    if (!is_file && !is_link && strcmp(kind, "dir") != 0)
        return failure_set(failure, operation, "'%.300s' is neither a folder nor a file nor a link",
                           path);
    if (is_link && (!target || !*target))
        return failure_set(failure, "protocol", "ENTRY of a link without a target");
    if (!text_path_is_beneath(path))
        return failure_set(failure, operation, "path traversal rejected: '%.300s'", path);
    strcpy(s->path, path); /* text_path_is_beneath() allows at most 4095 bytes */
    folder_times_leave(&s->folders, path, s->root, open_folder);
    int dirfd = -1;
    const char *name = NULL;
    if (open_parent(s, &dirfd, &name, failure) < 0)
        return -1;
    return is_link ? make_link(s, dirfd, name, target, failure)
                   : (is_file ? make_file : make_folder)(s, dirfd, name, failure);
}

int seed_data(struct seed *s, const struct frame *f, struct failure *failure)
{
    if (s->file < 0)
        return failure_set(failure, "protocol", "DATA outside a file");
    if (io_write_all(s->file, f->payload, f->length, clock_ms() + WRITE_TIMEOUT) < 0)
        return cannot(s, "write", failure);
    return 0;
}

int seed_entry_end(struct seed *s, const struct frame *f, struct failure *failure)
{
    if (s->file < 0)
        return failure_set(failure, "protocol", "ENTRY_END outside a file");
    const char *error = fields_get(f, "error");
    if (error)
        return failure_set(failure, operation, "'%.300s' is incomplete: %.200s", s->path, error);
    if (fchown(s->file, s->user->uid, s->user->gid) < 0 || fchmod(s->file, s->mode) < 0 ||
        futimens(s->file, FOLDER_TIMES_BOTH(s->modified)) < 0)
        return cannot(s, "set the attributes of", failure);
    /* Some file systems do not report before close() that they are full. */
    if (close(steal_fd(&s->file)) < 0)
        return cannot(s, "write", failure);
    return 0;
}

int seed_end(struct seed *s, struct failure *failure)
{
    if (s->file >= 0)
        return failure_set(failure, "protocol", "ENTRIES_END within a file");
    folder_times_leave(&s->folders, NULL, s->root, open_folder);
    seed_free(s);
    return 0;
}
