/* SPDX-License-Identifier: MIT */
#include "agent.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static const char operation[] = "seed";

/* mkdir -p; the folders that are made belong to the user. */
static int make_folders(const char *path, const struct user *user)
{
    char copy[4096];
    size_t length = strlen(path);
    if (length >= sizeof(copy)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(copy, path, length + 1);
    for (size_t i = 1; i <= length; i++) {
        if (copy[i] != '/' && copy[i] != '\0')
            continue;
        char saved = copy[i];
        copy[i] = '\0';
        if (mkdir(copy, 0755) == 0) {
            if (user->uid && chown(copy, user->uid, user->gid) < 0)
                return -1;
        } else if (errno != EEXIST) {
            return -1;
        }
        copy[i] = saved;
    }
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

void seed_prepare(struct seed *s, struct channel *c, const char *workdir, const struct user *user)
{
    s->user = user;
    s->workdir = make_folders(workdir, user);
    if (s->workdir < 0)
        channel_fail(c, "prepare", errno, "cannot make the working directory '%.200s'", workdir);
}

/* Opens the folder that the path's last segment goes into. gVisor has no openat2: there the path is
 * walked segment by segment. Both refuse links and anything that leads out. */
static int open_parent(int root, const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    *name = slash ? slash + 1 : path;
    if (!slash)
        return dup(root);
    char parent[4096];
    memcpy(parent, path, (size_t)(slash - path));
    parent[slash - path] = '\0';
    struct open_how how = {
        .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    int fd = (int)syscall(SYS_openat2, root, parent, &how, sizeof(how));
    if (fd >= 0 || errno != ENOSYS)
        return fd;
    cleanup_close int at = dup(root);
    for (char *segment = parent; at >= 0 && segment;) {
        char *end = strchr(segment, '/');
        if (end)
            *end++ = '\0';
        int next = openat(at, segment, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        cleanup_close_fd(&at);
        at = next;
        segment = end;
    }
    return steal_fd(&at);
}

static void make_folder(struct seed *s, struct channel *c, int parent, const char *name, mode_t mode)
{
    struct stat st;
    if (mkdirat(parent, name, mode) == 0) {
        if (s->user->uid && fchownat(parent, name, s->user->uid, s->user->gid, AT_SYMLINK_NOFOLLOW) < 0)
            channel_fail(c, operation, errno, "cannot give away '%.200s'", s->path);
        return;
    }
    if (errno != EEXIST || fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
        channel_fail(c, operation, errno, "cannot make the folder '%.200s'", s->path);
}

static void make_file(struct seed *s, struct channel *c, int parent, const char *name, mode_t mode)
{
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    s->file = openat(parent, name, flags, 0600);
    /* What the image has there is replaced, not written through. */
    if (s->file < 0 && errno == EEXIST && unlinkat(parent, name, 0) == 0)
        s->file = openat(parent, name, flags, 0600);
    if (s->file < 0 || (s->user->uid && fchown(s->file, s->user->uid, s->user->gid) < 0) ||
        fchmod(s->file, mode) < 0)
        channel_fail(c, operation, errno, "cannot write '%.200s'", s->path);
}

void seed_entry(struct seed *s, struct channel *c, const struct frame *f)
{
    const char *kind = fields_get(f, "kind"), *path = fields_get(f, "path"), *name;
    const char *mode_text = fields_get(f, "mode");
    if (s->workdir < 0 || s->file >= 0 || !kind || !path || !mode_text || !text_path_is_beneath(path))
        channel_fail(c, "protocol", 0, "ENTRY");
    snprintf(s->path, sizeof(s->path), "%s", path);
    mode_t mode = (mode_t)strtoul(mode_text, NULL, 8) & 0777;
    cleanup_close int parent = open_parent(s->workdir, path, &name);
    if (parent < 0)
        channel_fail(c, operation, errno, "cannot write into the folder of '%.200s'", path);
    if (strcmp(kind, "dir") == 0)
        make_folder(s, c, parent, name, mode | 0700);
    else if (strcmp(kind, "file") == 0)
        make_file(s, c, parent, name, mode);
    else
        channel_fail(c, "protocol", 0, "ENTRY of an unknown kind");
}

void seed_data(struct seed *s, struct channel *c, const struct frame *f)
{
    if (s->file < 0)
        channel_fail(c, "protocol", 0, "DATA outside a file");
    if (io_write_all(s->file, f->payload, f->length, IO_NO_DEADLINE) < 0)
        channel_fail(c, operation, errno, "cannot write '%.200s'", s->path);
}

void seed_entry_end(struct seed *s, struct channel *c)
{
    if (s->file >= 0 && close(steal_fd(&s->file)) < 0)
        channel_fail(c, operation, errno, "cannot write '%.200s'", s->path);
}
