/* SPDX-License-Identifier: MIT */
#include "run/seed_link.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* As many links in a row as the kernel follows. */
enum { LINKS_MAX = 40, TEXT_MAX = 4095 };

/* Returns the first segment of *path and moves *path behind it; NULL at the end. */
static const char *next_segment(const char **path, size_t *length)
{
    const char *segment = *path + strspn(*path, "/");
    *length = strcspn(segment, "/");
    *path = segment + *length;
    return *length ? segment : NULL;
}

static bool is_parent(const char *segment, size_t length)
{
    return length == 2 && memcmp(segment, "..", 2) == 0;
}

static bool is_itself(const char *segment, size_t length)
{
    return length == 1 && segment[0] == '.';
}

/* Judges by the text alone, whatever exists there. */
static bool stays_beneath(const char *path, const char *target)
{
    size_t depth = 0, length;
    const char *segment;
    if (target[0] == '\0' || target[0] == '/')
        return false;
    for (; *path; path++)
        depth += *path == '/';
    while ((segment = next_segment(&target, &length))) {
        if (is_itself(segment, length))
            continue;
        if (!is_parent(segment, length))
            depth++;
        else if (depth-- == 0)
            return false;
    }
    return true;
}

static int open_beneath(int root, const char *path)
{
    const struct open_how how = {
        .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

/* A position on the way: the path so far, without links, and the path that still lies ahead. */
struct way {
    char at[TEXT_MAX + 1]; /* "": the root itself */
    char ahead[2 * TEXT_MAX + 2];
    unsigned links;
};

/* Adds a segment to w->at. */
static bool enter(struct way *w, const char *segment, size_t length)
{
    size_t used = strlen(w->at), slash = used > 0;
    if (used + slash + length > TEXT_MAX)
        return false;
    if (slash)
        w->at[used++] = '/';
    memcpy(w->at + used, segment, length);
    w->at[used + length] = '\0';
    return true;
}

static bool leave(struct way *w)
{
    char *slash = strrchr(w->at, '/');
    if (w->at[0] == '\0')
        return false;
    *(slash ? slash : w->at) = '\0';
    return true;
}

/* The path w->at is a link: puts its text in front of what is ahead, and removes the link from
 * w->at. w->ahead is empty or begins with a slash. */
static bool follow(struct way *w, int fd)
{
    char text[TEXT_MAX + 1], rest[sizeof(w->ahead)];
    ssize_t n = readlinkat(fd, "", text, sizeof(text));
    if (n <= 0 || (size_t)n == sizeof(text) || ++w->links > LINKS_MAX)
        return false;
    text[n] = '\0';
    strcpy(rest, w->ahead);
    int all =
        stays_beneath(w->at, text) ? snprintf(w->ahead, sizeof(w->ahead), "%s%s", text, rest) : -1;
    return all > 0 && (size_t)all < sizeof(w->ahead) && leave(w);
}

bool seed_link_is_inside(int root, const char *path, const char *target,
                         bool (*left_out)(const void *user, const char *name), const void *user)
{
    struct way w = {0};
    const char *slash = strrchr(path, '/');
    if (strlen(path) > TEXT_MAX || strlen(target) > TEXT_MAX || !stays_beneath(path, target))
        return false;
    if (slash)
        memcpy(w.at, path, (size_t)(slash - path));
    strcpy(w.ahead, target);
    for (;;) {
        char name[256];
        size_t length;
        const char *ahead = w.ahead, *segment = next_segment(&ahead, &length);
        if (!segment)
            return true;
        if (length >= sizeof(name))
            return false;
        memcpy(name, segment, length);
        name[length] = '\0';
        memmove(w.ahead, ahead, strlen(ahead) + 1);
        if (is_itself(name, length))
            continue;
        if (is_parent(name, length)) {
            if (!leave(&w))
                return false;
            continue;
        }
        if (left_out(user, name) || !enter(&w, name, length))
            return false;
        struct stat st;
        cleanup_close int fd = open_beneath(root, w.at);
        if (fd < 0 || fstat(fd, &st) < 0)
            return false;
        if (S_ISLNK(st.st_mode) ? !follow(&w, fd)
                                : !S_ISDIR(st.st_mode) && (!S_ISREG(st.st_mode) || w.ahead[0]))
            return false;
    }
}
