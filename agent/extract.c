/* SPDX-License-Identifier: MIT */
/*
 * Files out, after the command has ended and with nothing else alive in the sandbox. The tree is walked
 * twice, by open folders and without following links: once to sum it up, once to send it. Only the
 * folders of the path at hand are open; the depth is bounded.
 */
#include "agent.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

enum { DEPTH_MAX = 512, TAR_BLOCK = 512 };

struct walk {
    struct channel *c;
    bool send;         /* the second pass */
    uint64_t bytes;    /* as a tar archive would have */
    uint64_t max;
    size_t depth;
    char path[4096];   /* relative to the folder that was asked for */
    char reason[512];  /* why it had to stop, or "" */
    struct buffer fields;
};

static void send_status(struct walk *w, enum frame_type type, const char *status, const char *reason)
{
    buffer_clear(&w->fields);
    fields_add(&w->fields, "status", status);
    if (reason)
        fields_add(&w->fields, "reason", reason);
    channel_send(w->c, type, &w->fields);
}

static int stop(struct walk *w, int errnum, const char *what)
{
    char text[128];
    snprintf(w->reason, sizeof(w->reason), "%.200s: %s%s%s", w->path[0] ? w->path : "it", what,
             errnum ? ": " : "", errnum ? strerror_r(errnum, text, sizeof(text)) : "");
    return -1;
}

static int charge(struct walk *w, const struct stat *st)
{
    uint64_t size = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0;
    uint64_t cost = TAR_BLOCK + (size + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
    if (cost > w->max - w->bytes) {
        snprintf(w->reason, sizeof(w->reason), "over the limit of %" PRIu64 " bytes", w->max);
        return -1;
    }
    w->bytes += cost;
    return 0;
}

static void send_entry(struct walk *w, const char *path, const struct stat *st)
{
    char mode[16];
    snprintf(mode, sizeof(mode), "%o", (unsigned)st->st_mode & 0777);
    buffer_clear(&w->fields);
    fields_add(&w->fields, "kind", S_ISDIR(st->st_mode) ? "dir" : "file");
    fields_add(&w->fields, "path", path);
    fields_add(&w->fields, "mode", mode);
    fields_add_u64(&w->fields, "mtime", st->st_mtime > 0 ? (uint64_t)st->st_mtime : 0);
    channel_send(w->c, FRAME_ENTRY, &w->fields);
}

/* Exactly the size that was summed up: nobody is left who could change the file. */
static int send_file(struct walk *w, const char *path, int fd, const struct stat *st)
{
    send_entry(w, path, st);
    uint64_t left = (uint64_t)st->st_size;
    int failed = 0;
    while (left > 0 && !failed) {
        size_t want = left < FRAME_DATA_MAX ? (size_t)left : FRAME_DATA_MAX;
        char *to = buffer_reserve(&w->c->outgoing, FRAME_HEADER_SIZE + want);
        if (!to) {
            channel_drain(w->c);
            continue;
        }
        ssize_t n = read(fd, to + FRAME_HEADER_SIZE, want);
        if (n <= 0) {
            failed = n < 0 ? errno : EIO;
            break;
        }
        frame_header(to, FRAME_DATA, (uint32_t)n);
        buffer_commit(&w->c->outgoing, FRAME_HEADER_SIZE + (size_t)n);
        left -= (uint64_t)n;
        if (buffer_length(&w->c->outgoing) >= 4 * FRAME_DATA_MAX)
            channel_drain(w->c);
    }
    channel_send(w->c, FRAME_ENTRY_END, NULL);
    return failed ? stop(w, failed, "cannot be read") : 0;
}

static int walk_folder(struct walk *w, int *fd);

static int walk_entry(struct walk *w, int parent, const char *name)
{
    cleanup_close int fd = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat st;
    if (fd < 0) {
        /* Links, sockets and devices stay behind. */
        if (errno == ELOOP || errno == ENXIO || errno == ENODEV || errno == EACCES || errno == EPERM)
            if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(st.st_mode) &&
                !S_ISDIR(st.st_mode))
                return 0;
        return stop(w, errno, "cannot be read");
    }
    if (fstat(fd, &st) < 0)
        return stop(w, errno, "cannot be read");
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return 0;
    if (!w->send && charge(w, &st) < 0)
        return -1;
    if (S_ISREG(st.st_mode))
        return w->send ? send_file(w, w->path, fd, &st) : 0;
    if (w->send) {
        send_entry(w, w->path, &st);
        channel_send(w->c, FRAME_ENTRY_END, NULL);
    }
    if (w->depth == DEPTH_MAX)
        return stop(w, 0, "it is nested too deeply");
    w->depth++;
    int failed = walk_folder(w, &fd);
    w->depth--;
    return failed;
}

/* Takes the fd over: one per level is open. */
static int walk_folder(struct walk *w, int *fd)
{
    size_t base = strlen(w->path);
    cleanup_closedir DIR *d = fdopendir(*fd);
    if (!d)
        return stop(w, errno, "cannot be listed");
    steal_fd(fd);
    int failed = 0;
    while (!failed) {
        errno = 0;
        struct dirent *e = readdir(d);
        if (!e)
            return errno ? stop(w, errno, "cannot be listed") : 0;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        int n = snprintf(w->path + base, sizeof(w->path) - base, "%s%s", base ? "/" : "", e->d_name);
        if (n < 0 || (size_t)n >= sizeof(w->path) - base) {
            w->path[base] = '\0';
            return stop(w, 0, "a path in it is too long");
        }
        failed = walk_entry(w, dirfd(d), e->d_name);
        if (!failed)
            w->path[base] = '\0';
    }
    return failed;
}

/* What is asked for, if it can be had; -1 when the answer was sent already. */
static int open_source(struct walk *w, const char *path, struct stat *st)
{
    if (lstat(path, st) < 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            send_status(w, FRAME_EXTRACT_BEGIN, "missing", NULL);
        else
            send_status(w, FRAME_EXTRACT_BEGIN, "error", strerrordesc_np(errno));
        return -1;
    }
    if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode)) {
        send_status(w, FRAME_EXTRACT_BEGIN, "error",
                    S_ISLNK(st->st_mode) ? "it is a symbolic link; links are not extracted"
                                         : "it is neither a file nor a folder");
        return -1;
    }
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, st) < 0)
        send_status(w, FRAME_EXTRACT_BEGIN, "error", strerrordesc_np(errno));
    return fd;
}

static const char *basename_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

void extract_serve(struct channel *c, const struct frame *f)
{
    const char *path = fields_get(f, "path");
    struct walk w = {.c = c};
    struct stat st;
    if (!path || path[0] != '/' || !fields_get_u64(f, "max", &w.max))
        channel_fail(c, "protocol", 0, "EXTRACT");
    buffer_init(&w.fields, FRAME_AGENT_MAX);
    cleanup_close int fd = open_source(&w, path, &st);
    bool is_folder = fd >= 0 && S_ISDIR(st.st_mode);
    /* Each walk uses up an fd of the folder. */
    cleanup_close int again = is_folder ? openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0 && (is_folder ? walk_folder(&w, &again) : charge(&w, &st)) < 0) {
        send_status(&w, FRAME_EXTRACT_BEGIN, "error", w.reason);
    } else if (fd >= 0) {
        buffer_clear(&w.fields);
        fields_add(&w.fields, "status", "ok");
        fields_add(&w.fields, "kind", is_folder ? "dir" : "file");
        fields_add_u64(&w.fields, "bytes", w.bytes);
        channel_send(c, FRAME_EXTRACT_BEGIN, &w.fields);
        w.send = true;
        w.path[0] = '\0';
        int failed = is_folder ? walk_folder(&w, &fd) : send_file(&w, basename_of(path), fd, &st);
        send_status(&w, FRAME_EXTRACT_END, failed ? "error" : "ok", failed ? w.reason : NULL);
    }
    buffer_free(&w.fields);
}
