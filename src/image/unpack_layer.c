/* SPDX-License-Identifier: MIT */
#include "image/unpack_layer.h"

#include "base/cleanup.h"

#include <fts.h>
#include <search.h>
#include <string.h>
#include <sys/stat.h>

#define OPERATION "image.unpack"

#define MARK        ".wh."
#define MARK_OPAQUE ".wh..wh..opq"
#define MARK_OTHER  ".wh..wh."

/* -------------------------------------------------------------- what this layer has written */

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int add(void **set, const char *path, lr_error *err)
{
    char *copy = strdup(path);
    char **slot = copy ? tsearch(copy, set, compare) : NULL;
    if (!slot) {
        free(copy);
        return error_oom(err, OPERATION);
    }
    if (*slot != copy)
        free(copy); /* named twice */
    return 0;
}

int layer_paths_add(struct layer_paths *paths, const char *path, lr_error *err)
{
    return add(&paths->written, path, err);
}

static bool has(void *const *set, const char *path)
{
    return tfind(path, set, compare) != NULL;
}

/* Whether a folder on the way to the path is in the set, or the path itself. */
static int is_beneath(void *const *set, const char *path, bool itself, bool *out, lr_error *err)
{
    *out = *set && ((itself && has(set, path)) || has(set, "."));
    cleanup_free char *copy = *set && !*out ? strdup(path) : NULL;
    if (*set && !*out && !copy)
        return error_oom(err, OPERATION);
    for (char *slash; copy && !*out && (slash = strrchr(copy, '/'));) {
        *slash = '\0';
        *out = has(set, copy);
    }
    return 0;
}

void layer_paths_free(struct layer_paths *paths)
{
    tdestroy(paths->written, free);
    tdestroy(paths->cleared, free);
    *paths = (struct layer_paths){.seen = paths->seen};
}

/* -------------------------------------------------------------- paths */

/* In place: "./a//b/" becomes "a/b", and what is left empty ".". The text has no "..". */
static void tidy(char *path)
{
    char *to = path;
    for (const char *from = path; *from;) {
        size_t length = strcspn(from, "/");
        if (length > 0 && !(length == 1 && *from == '.')) {
            if (to != path)
                *to++ = '/';
            memmove(to, from, length);
            to += length;
        }
        from += length;
        from += *from == '/';
    }
    *to = '\0';
    if (to == path)
        strcpy(path, "."); /* it held at least one byte, see check_paths() */
}

int layer_resolve(char **path, lr_error *err)
{
    tidy(*path);
    char *slash = strrchr(*path, '/');
    cleanup_free char *real = NULL;
    /* What is not there yet cannot be a link: only the part that exists is looked at. */
    for (; slash && !real;) {
        cleanup_free char *parent = NULL;
        if (asprintf(&parent, "/%.*s", (int)(slash - *path), *path) < 0) {
            parent = NULL;
            return error_oom(err, OPERATION);
        }
        real = realpath(parent, NULL);
        if (!real && errno == ENOMEM)
            return error_oom(err, OPERATION);
        if (!real && errno != ENOENT)
            return error_errno(err, LR_IMAGE_INVALID, OPERATION, errno, "cannot unpack '%.200s'",
                               *path);
        if (!real)
            slash = memrchr(*path, '/', (size_t)(slash - *path));
    }
    if (!real)
        return 0;
    char *resolved;
    const char *parent = real + strspn(real, "/");
    if (asprintf(&resolved, "%s%s%s", parent, *parent ? "/" : "", slash + 1) < 0)
        return error_oom(err, OPERATION);
    free(*path);
    *path = resolved;
    return 0;
}

/* -------------------------------------------------------------- removing */

/* What is to be done with one file or folder; 0 or an errno. */
static int purge_entry(struct layer_paths *paths, FTS *walk, FTSENT *e, bool whole)
{
    const char *name = strncmp(e->fts_path, "./", 2) == 0 ? e->fts_path + 2 : e->fts_path;
    bool folder = e->fts_info == FTS_DP;
    paths->seen++;
    if (e->fts_info == FTS_D) {
        /* Nothing in there is to be removed; the folder itself comes once more, as FTS_DP. */
        if (has(&paths->cleared, name))
            fts_set(walk, e, FTS_SKIP);
        return 0;
    }
    if ((e->fts_level == 0 && !whole) || has(&paths->written, name))
        return 0;
    if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR || e->fts_info == FTS_NS)
        return e->fts_errno;
    if ((folder ? rmdir(e->fts_path) : unlink(e->fts_path)) == 0)
        return 0;
    return folder && (errno == ENOTEMPTY || errno == EEXIST) ? 0 : errno;
}

/*
 * Removes the tree at the path (itself too, with `whole`) except for what this layer has written,
 * and the folders on the way to that. Each file is looked at once, however many marks a layer has: what is left of a tree is
 * this layer's own, and so is all that comes to it.
 */
static int purge(struct layer_paths *paths, const char *path, bool whole, lr_error *err)
{
    struct stat st;
    bool cleared;
    if (is_beneath(&paths->cleared, path, !whole, &cleared, err) < 0)
        return -1;
    if (cleared)
        return 0;
    if (lstat(path, &st) < 0)
        return errno == ENOENT || errno == ENOTDIR
                   ? 0
                   : error_errno(err, LR_IO_FAILED, OPERATION, errno, "cannot look at '%.200s'",
                                 path);
    cleanup_free char *copy = strdup(path);
    char *const start[] = {copy, NULL};
    FTS *walk = copy ? fts_open(start, FTS_PHYSICAL | FTS_NOCHDIR, NULL) : NULL;
    if (!walk)
        return error_oom(err, OPERATION);
    int failed = 0;
    FTSENT *e;
    while (!failed && (errno = 0, e = fts_read(walk)))
        failed = purge_entry(paths, walk, e, whole);
    if (!failed)
        failed = errno;
    fts_close(walk);
    if (failed)
        return error_errno(err, LR_IO_FAILED, OPERATION, failed, "cannot remove '%.200s'", path);
    return add(&paths->cleared, path, err);
}

int layer_apply_mark(struct layer_paths *paths, const char *path, bool *is_mark,
                     lr_error *err)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    *is_mark = strncmp(name, MARK, strlen(MARK)) == 0;
    if (!*is_mark)
        return 0;
    cleanup_free char *parent = slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
    if (!parent)
        return error_oom(err, OPERATION);
    if (strcmp(name, MARK_OPAQUE) == 0)
        return purge(paths, parent, false, err);
    if (strncmp(name, MARK_OTHER, strlen(MARK_OTHER)) == 0)
        return 0; /* the bookkeeping of aufs, from which the marks come */
    name += strlen(MARK);
    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return error_set(err, LR_IMAGE_INVALID, OPERATION,
                         "'%.200s' removes nothing that has a name", path);
    cleanup_free char *gone = NULL;
    if (asprintf(&gone, "%s%s%s", slash ? parent : "", slash ? "/" : "", name) < 0) {
        gone = NULL;
        return error_oom(err, OPERATION);
    }
    return purge(paths, gone, true, err);
}

int layer_make_way(struct layer_paths *paths, const char *path, bool folder, lr_error *err)
{
    struct stat st;
    if (strcmp(path, ".") == 0 || lstat(path, &st) < 0)
        return 0; /* nothing there, or an obstacle on the way that the writer will name */
    if (S_ISDIR(st.st_mode))
        return folder ? 0 : purge(paths, path, true, err);
    /* Also when this layer has written it: the last entry of a name is the one that counts. A file
     * with several names keeps the others, and their contents. */
    return unlink(path) == 0
               ? 0
               : error_errno(err, LR_IO_FAILED, OPERATION, errno, "cannot replace '%.200s'", path);
}
