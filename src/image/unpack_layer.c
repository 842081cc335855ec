/* SPDX-License-Identifier: MIT */
#include "image/unpack_layer.h"

#include "base/cleanup.h"

#include <fts.h>
#include <limits.h>
#include <search.h>
#include <string.h>
#include <sys/stat.h>

#define OPERATION "image.unpack"

#define MARK        ".wh."
#define MARK_OPAQUE ".wh..wh..opq"
#define MARK_OTHER  ".wh..wh."
#define MARK_LINKS  ".wh..wh.plnk"

enum { MAX_LINKS = 40 }; /* links on the way to one name; the kernel's limit */

/* -------------------------------------------------------------- what this layer has written */

static int compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int add(void **set, const char *path, lrun_error *err)
{
    char *copy = strdup(path);
    char **slot = copy ? tsearch(copy, set, compare) : NULL;
    if (!slot) {
        free(copy);
        return error_oom(err, OPERATION);
    }
    if (*slot != copy)
        free(copy); /* it was in the set already */
    return 0;
}

int layer_paths_add(struct layer_paths *paths, const char *path, lrun_error *err)
{
    return add(&paths->written, path, err);
}

static bool has(void *const *set, const char *path)
{
    return tfind(path, set, compare) != NULL;
}

bool layer_paths_has(const struct layer_paths *paths, const char *path)
{
    return has(&paths->written, path);
}

/* Whether the set contains a folder on the way to the path or, with `itself`, the path. */
static int is_beneath(void *const *set, const char *path, bool itself, bool *out, lrun_error *err)
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

/* Returns the length of the path without its last name. Only the first `length` bytes count. */
static size_t without_last(const char *path, size_t length)
{
    const char *slash = memrchr(path, '/', length);
    return slash ? (size_t)(slash - path) : 0;
}

static bool is_name(const char *name, size_t length, const char *text)
{
    return length == strlen(text) && memcmp(name, text, length) == 0;
}

int layer_tidy(char *path, lrun_error *err)
{
    size_t used = 0;
    for (char *from = path; *from;) {
        size_t length = strcspn(from, "/");
        char *next = from + length + (from[length] == '/');
        if (is_name(from, length, "..")) {
            if (used == 0)
                return error_set(err, LRUN_IMAGE_INVALID, OPERATION,
                                 "the path '%.200s' leads out of the archive", path);
            used = without_last(path, used);
        } else if (length > 0 && !is_name(from, length, ".")) {
            if (used > 0)
                path[used++] = '/';
            memmove(path + used, from, length);
            used += length;
        }
        from = next;
    }
    strcpy(path + used, used ? "" : "."); /* the path had at least one byte */
    return 0;
}

/* Adds a name to the resolved part. Returns 0 or an errno. */
static int append(char resolved[PATH_MAX], size_t *used, const char *name, size_t length)
{
    if (*used + 1 + length >= PATH_MAX)
        return ENAMETOOLONG;
    if (*used > 0)
        resolved[(*used)++] = '/';
    memcpy(resolved + *used, name, length);
    *used += length;
    resolved[*used] = '\0';
    return 0;
}

/*
 * Follows the links in `rest`, from the working directory and never above it. A missing name is
 * taken for a folder that comes later, because archives may name a link before the folder that it
 * leads to. Returns 0 or an errno.
 */
static int follow(char resolved[PATH_MAX], char *rest)
{
    char target[PATH_MAX];
    size_t used = 0;
    cleanup_free char *kept = NULL; /* the memory of `rest`, once a link has been followed */
    resolved[0] = '\0';
    for (int links = 0; *rest;) {
        size_t length = strcspn(rest, "/");
        const char *name = rest;
        rest += length + (rest[length] == '/');
        size_t before = used;
        if (is_name(name, length, ".."))
            resolved[used = without_last(resolved, used)] = '\0';
        if (length == 0 || is_name(name, length, ".") || is_name(name, length, ".."))
            continue;
        int failed = append(resolved, &used, name, length);
        if (failed)
            return failed;
        ssize_t n = readlink(resolved, target, sizeof(target) - 1);
        if (n < 0 && errno != EINVAL && errno != ENOENT && errno != ENOTDIR)
            return errno;
        if (n <= 0)
            continue;
        if (++links > MAX_LINKS)
            return ELOOP;
        char *longer;
        if (asprintf(&longer, "%.*s/%s", (int)n, target, rest) < 0)
            return ENOMEM;
        free(kept);
        rest = kept = longer;
        resolved[used = *rest == '/' ? 0 : before] = '\0';
    }
    return 0;
}

int layer_resolve(char **path, lrun_error *err)
{
    char resolved[PATH_MAX], *slash = strrchr(*path, '/'), *whole;
    if (!slash)
        return 0;
    *slash = '\0';
    int failed = follow(resolved, *path);
    *slash = '/';
    if (failed == ENOMEM)
        return error_oom(err, OPERATION);
    if (failed)
        return error_errno(err, LRUN_IMAGE_INVALID, OPERATION, failed, "cannot unpack '%.200s'",
                           *path);
    if (asprintf(&whole, "%s%s%s", resolved, *resolved ? "/" : "", slash + 1) < 0)
        return error_oom(err, OPERATION);
    free(*path);
    *path = whole;
    return 0;
}

/* -------------------------------------------------------------- removing */

enum purge {
    PURGE_CONTENTS, /* files of the layers below, in the folder */
    PURGE_WHOLE,    /* also the folder itself, or a file */
    PURGE_ALL,      /* also files of the current layer */
};

/* Removes one file or folder, if it has to go. Returns 0 or an errno. */
static int purge_entry(struct layer_paths *paths, FTS *walk, FTSENT *e, enum purge what)
{
    const char *name = strncmp(e->fts_path, "./", 2) == 0 ? e->fts_path + 2 : e->fts_path;
    bool folder = e->fts_info == FTS_DP;
    paths->seen++;
    if (e->fts_info == FTS_D) {
        /* Nothing in there has to go. The walk returns to the folder itself, as FTS_DP. */
        if (what != PURGE_ALL && has(&paths->cleared, name))
            fts_set(walk, e, FTS_SKIP);
        return 0;
    }
    if ((e->fts_level == 0 && what == PURGE_CONTENTS) ||
        (what != PURGE_ALL && has(&paths->written, name)))
        return 0;
    if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR || e->fts_info == FTS_NS)
        return e->fts_errno;
    if ((folder ? rmdir(e->fts_path) : unlink(e->fts_path)) == 0)
        return 0;
    return folder && (errno == ENOTEMPTY || errno == EEXIST) ? 0 : errno;
}

/*
 * Removes the tree at the path. Files that this layer has written stay, with the folders on the way
 * to them, except with PURGE_ALL.
 *
 * Each file is visited once, however many marks a layer has: after a purge, everything that is left
 * in the tree, or is added to it, belongs to this layer. After PURGE_ALL there is nothing left to
 * visit again.
 */
static int purge(struct layer_paths *paths, const char *path, enum purge what, lrun_error *err)
{
    struct stat st;
    bool cleared = false;
    if (what != PURGE_ALL &&
        is_beneath(&paths->cleared, path, what == PURGE_CONTENTS, &cleared, err) < 0)
        return -1;
    if (cleared)
        return 0;
    if (lstat(path, &st) < 0)
        return errno == ENOENT || errno == ENOTDIR
                   ? 0
                   : error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot look at '%.200s'",
                                 path);
    cleanup_free char *copy = strdup(path);
    char *const start[] = {copy, NULL};
    FTS *walk = copy ? fts_open(start, FTS_PHYSICAL | FTS_NOCHDIR, NULL) : NULL;
    if (!walk)
        return error_oom(err, OPERATION);
    int failed = 0;
    FTSENT *e;
    while (!failed && (errno = 0, e = fts_read(walk)))
        failed = purge_entry(paths, walk, e, what);
    if (!failed)
        failed = errno;
    fts_close(walk);
    if (failed)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, failed, "cannot remove '%.200s'", path);
    return add(&paths->cleared, path, err);
}

int layer_apply_mark(struct layer_paths *paths, const char *path, bool *is_mark, lrun_error *err)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    if (strncmp(path, MARK_LINKS "/", strlen(MARK_LINKS "/")) == 0)
        return 0; /* they stay until the layer's end, see layer_finish() */
    *is_mark = strncmp(name, MARK, strlen(MARK)) == 0 ||
               (slash && strncmp(path, MARK_OTHER, strlen(MARK_OTHER)) == 0);
    if (!*is_mark)
        return 0;
    cleanup_free char *parent = slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
    if (!parent)
        return error_oom(err, OPERATION);
    if (strcmp(name, MARK_OPAQUE) == 0)
        return purge(paths, parent, PURGE_CONTENTS, err);
    if (strncmp(name, MARK_OTHER, strlen(MARK_OTHER)) == 0 ||
        strncmp(name, MARK, strlen(MARK)) != 0)
        return 0; /* bookkeeping of aufs, from which the marks come */
    name += strlen(MARK);
    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return error_set(err, LRUN_IMAGE_INVALID, OPERATION,
                         "'%.200s' is a whiteout without a name", path);
    cleanup_free char *gone = NULL;
    if (asprintf(&gone, "%s%s%s", slash ? parent : "", slash ? "/" : "", name) < 0) {
        gone = NULL;
        return error_oom(err, OPERATION);
    }
    return purge(paths, gone, PURGE_WHOLE, err);
}

int layer_make_way(struct layer_paths *paths, const char *path, bool folder, lrun_error *err)
{
    struct stat st;
    if (strcmp(path, ".") == 0 || lstat(path, &st) < 0)
        return 0; /* nothing there, or an obstacle on the way, which the writer will report */
    if (S_ISDIR(st.st_mode))
        return folder ? 0 : purge(paths, path, PURGE_ALL, err);
    /* Other names of the file stay, with their contents. */
    return unlink(path) == 0 ? 0
                             : error_errno(err, LRUN_IO_FAILED, OPERATION, errno,
                                           "cannot replace '%.200s'", path);
}

int layer_finish(struct layer_paths *paths, lrun_error *err)
{
    return purge(paths, MARK_LINKS, PURGE_ALL, err);
}
