/* SPDX-License-Identifier: MIT */
#include "run/seed.h"

#include "base/cleanup.h"
#include "run/seed_link.h"
#include "wire/fields.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static const char operation[] = "seed.read";

/* Each level of the tree keeps a folder open. */
enum { DEPTH_MAX = 200, PATH_MAX_BYTES = 4095 };

struct seed {
    uint16_t number;     /* of the frames */
    char *const *ignore; /* names to leave out; borrowed */
    bool links;          /* copy symlinks that lead to copied files or folders */
    DIR *levels[DEPTH_MAX];
    size_t lengths[DEPTH_MAX]; /* the length of the path down to that level */
    size_t depth;
    char path[PATH_MAX_BYTES + 1]; /* of the current entry, relative to `dir` */
    int file;                      /* the open file, or -1 */
    struct buffer fields;
};

int seed_open(struct seed **out, const struct request *r, uint16_t number, lrun_error *err)
{
    cleanup_close int fd = open(r->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        error_errno(err, LRUN_INVALID_ARGUMENT, operation, errno, "dir: cannot open '%s'", r->dir);
        return error_hint(err, "name a folder that exists and that you may read");
    }
    struct seed *s = calloc(1, sizeof(*s));
    if (!s)
        return error_oom(err, operation);
    s->number = number;
    s->ignore = r->ignore;
    s->links = r->links_inside;
    s->file = -1;
    buffer_init(&s->fields, FRAME_AGENT_MAX);
    s->levels[0] = fdopendir(fd);
    if (!s->levels[0]) {
        free(s);
        return error_oom(err, operation);
    }
    steal_fd(&fd);
    s->depth = 1;
    *out = s;
    return 0;
}

void seed_close(struct seed *s)
{
    if (!s)
        return;
    while (s->depth > 0)
        closedir(s->levels[--s->depth]);
    cleanup_close_fd(&s->file);
    buffer_free(&s->fields);
    free(s);
}

static bool is_left_out(const void *user, const char *name)
{
    const struct seed *s = user;
    for (char *const *n = s->ignore; n && *n; n++)
        if (strcmp(name, *n) == 0)
            return true;
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* `target` is the text of a link; NULL for a file or folder. */
static int add_entry(struct seed *s, struct buffer *out, const struct stat *st, const char *target,
                     lrun_error *err)
{
    char mode[16];
    const char *kind = target ? "link" : S_ISDIR(st->st_mode) ? "dir" : "file";
    snprintf(mode, sizeof(mode), "%o", (unsigned)st->st_mode & 0777);
    buffer_clear(&s->fields);
    if (!fields_add(&s->fields, "kind", kind) || !fields_add(&s->fields, "path", s->path) ||
        !fields_add(&s->fields, "mode", mode) ||
        (target && !fields_add(&s->fields, "target", target)) ||
        !fields_add_time(&s->fields, st->st_mtim) ||
        !frame_append(out, FRAME_ENTRY, s->number, buffer_data(&s->fields),
                      buffer_length(&s->fields)))
        return error_oom(err, operation);
    return 0;
}

/* Adds the current entry if it is a symlink that may be copied. */
static int add_link(struct seed *s, const char *name, struct buffer *out, lrun_error *err)
{
    char target[PATH_MAX_BYTES + 1];
    struct stat st;
    int level = dirfd(s->levels[s->depth - 1]);
    ssize_t n = readlinkat(level, name, target, sizeof(target));
    if (n <= 0 || (size_t)n == sizeof(target) || fstatat(level, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    target[n] = '\0';
    return seed_link_is_inside(dirfd(s->levels[0]), s->path, target, is_left_out, s)
               ? add_entry(s, out, &st, target, err)
               : 0;
}

/* Opens the current entry and returns its fd and metadata; *fd is -1 if the entry must be
 * skipped. */
static int open_entry(struct seed *s, const char *name, int *fd, struct stat *st, lrun_error *err)
{
    DIR *level = s->levels[s->depth - 1];
    /* O_NONBLOCK, because a fifo must not hold us up. */
    *fd = openat(dirfd(level), name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (*fd < 0) {
        /* A symlink, a socket, a device without a driver, or an entry that is gone by now. */
        if (errno == ELOOP || errno == ENXIO || errno == ENODEV || errno == ENOENT)
            return 0;
        return error_errno(err, LRUN_SEED_FAILED, operation, errno, "dir: cannot read '%s'",
                           s->path);
    }
    if (fstat(*fd, st) < 0 || !(S_ISREG(st->st_mode) || S_ISDIR(st->st_mode)))
        cleanup_close_fd(fd);
    return 0;
}

static int enter_folder(struct seed *s, int *fd, lrun_error *err)
{
    if (s->depth == DEPTH_MAX)
        return error_set(err, LRUN_SEED_FAILED, operation,
                         "dir: '%.200s...' is more than %d levels deep", s->path, DEPTH_MAX);
    DIR *opened = fdopendir(*fd);
    if (!opened)
        return error_oom(err, operation);
    steal_fd(fd);
    s->lengths[s->depth] = strlen(s->path);
    s->levels[s->depth++] = opened;
    return 0;
}

/* Adds the next entry of the tree; sets *done at its end. */
static int next_entry(struct seed *s, struct buffer *out, bool *done, lrun_error *err)
{
    while (s->depth > 0) {
        size_t base = s->depth > 1 ? s->lengths[s->depth - 1] : 0;
        errno = 0;
        const struct dirent *e = readdir(s->levels[s->depth - 1]);
        s->path[base] = '\0';
        if (!e) {
            if (errno)
                return error_errno(err, LRUN_SEED_FAILED, operation, errno, "dir: cannot list '%s'",
                                   s->path);
            closedir(s->levels[--s->depth]);
            continue;
        }
        if (is_left_out(s, e->d_name) || (e->d_type == DT_LNK && !s->links))
            continue;
        int n =
            snprintf(s->path + base, sizeof(s->path) - base, "%s%s", base ? "/" : "", e->d_name);
        if (n < 0 || (size_t)n >= sizeof(s->path) - base)
            return error_set(err, LRUN_SEED_FAILED, operation,
                             "dir: a path is longer than %d bytes", PATH_MAX_BYTES);
        if (s->links && (e->d_type == DT_LNK || e->d_type == DT_UNKNOWN) &&
            add_link(s, e->d_name, out, err) < 0)
            return -1;
        cleanup_close int fd = -1;
        struct stat st;
        if (open_entry(s, e->d_name, &fd, &st, err) < 0)
            return -1;
        if (fd < 0)
            continue;
        if (add_entry(s, out, &st, NULL, err) < 0)
            return -1;
        if (S_ISREG(st.st_mode)) {
            s->file = steal_fd(&fd);
            return 0;
        }
        return enter_folder(s, &fd, err);
    }
    *done = true;
    return frame_append(out, FRAME_ENTRIES_END, s->number, NULL, 0) ? 0 : error_oom(err, operation);
}

/* Adds the next piece of the open file, read straight into the outgoing buffer. */
static int next_piece(struct seed *s, struct buffer *out, lrun_error *err)
{
    char *to = buffer_reserve(out, FRAME_HEADER_SIZE + FRAME_DATA_MAX);
    if (!to)
        return error_oom(err, operation);
    ssize_t n = read(s->file, to + FRAME_HEADER_SIZE, FRAME_DATA_MAX);
    if (n < 0)
        return error_errno(err, LRUN_SEED_FAILED, operation, errno, "dir: cannot read '%s'",
                           s->path);
    if (n > 0) {
        frame_header(to, FRAME_DATA, s->number, (uint32_t)n);
        buffer_commit(out, FRAME_HEADER_SIZE + (size_t)n);
        return 0;
    }
    cleanup_close_fd(&s->file);
    return frame_append(out, FRAME_ENTRY_END, s->number, NULL, 0) ? 0 : error_oom(err, operation);
}

int seed_fill(struct seed *s, struct buffer *out, size_t enough, bool *done, lrun_error *err)
{
    *done = false;
    while (!*done && buffer_length(out) < enough) {
        int failed = s->file >= 0 ? next_piece(s, out, err) : next_entry(s, out, done, err);
        if (failed)
            return -1;
    }
    return 0;
}

int seed_break_off(struct seed *s, struct buffer *out, lrun_error *err)
{
    bool in_file = s->file >= 0;
    cleanup_close_fd(&s->file);
    return (!in_file || frame_append(out, FRAME_ENTRY_END, s->number, NULL, 0)) &&
                   frame_append(out, FRAME_ENTRIES_END, s->number, NULL, 0)
               ? 0
               : error_oom(err, operation);
}
