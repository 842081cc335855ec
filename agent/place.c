/* SPDX-License-Identifier: MIT */
#include "place.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "walk.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* The number of links that the kernel follows in one path. */
enum { LINKS_MAX = 40 };

struct search {
    const struct user *user;
    enum place_purpose purpose;
    int links;
    int at;              /* the folder reached so far */
    char left[PATH_MAX]; /* what is left of the path */
};

static int fail(int errnum)
{
    errno = errnum;
    return -1;
}

/* Cuts the next segment off the path. Returns false at its end. */
static bool next_segment(struct search *s, char segment[NAME_MAX + 1], bool *too_long)
{
    const char *from = s->left + strspn(s->left, "/");
    size_t length = strcspn(from, "/");
    *too_long = length > NAME_MAX;
    if (length == 0 || *too_long)
        return *too_long;
    memcpy(segment, from, length);
    segment[length] = '\0';
    from += length;
    from += strspn(from, "/");
    memmove(s->left, from, strlen(from) + 1);
    return true;
}

/* Puts the link's target in front of what is left of the path. */
static int follow(struct search *s, int link, const struct stat *st)
{
    char target[PATH_MAX];
    bool changes = s->purpose == PLACE_CHANGE || s->purpose == PLACE_MAKE;
    bool trusted = !changes || s->user->uid == 0 || st->st_uid == 0;
    if (walk_is_pseudo(link))
        return fail(EXDEV);
    if (--s->links < 0 || !trusted)
        return fail(ELOOP);
    ssize_t n = readlinkat(link, "", target, sizeof(target));
    if (n <= 0)
        return n < 0 ? -1 : fail(ENOENT);
    size_t left = strlen(s->left);
    if ((size_t)n + 1 + left >= sizeof(s->left))
        return fail(ENAMETOOLONG);
    memmove(s->left + n + 1, s->left, left + 1);
    memcpy(s->left, target, (size_t)n);
    s->left[n] = '/';
    if (target[0] != '/')
        return 0;
    int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return -1;
    close(s->at);
    s->at = root;
    return 0;
}

static int make(const struct search *s, const char *name)
{
    if (s->purpose != PLACE_MAKE || errno != ENOENT)
        return -1;
    if (mkdirat(s->at, name, 0755) < 0)
        return errno == EEXIST ? 0 : -1;
    cleanup_close int made =
        openat(s->at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
    /* The mode again, because a umask may apply. */
    return made < 0 || fchown(made, s->user->uid, s->user->gid) < 0 || fchmod(made, 0755) < 0 ? -1
                                                                                              : 0;
}

/* Enters one segment. */
static int enter(struct search *s, const char *name)
{
    struct stat st;
    cleanup_close int next = -1;
    for (int tries = 0; tries < 2 && next < 0; tries++) {
        next = openat(s->at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0 && make(s, name) < 0)
            return -1;
    }
    if (next < 0 || fstat(next, &st) < 0)
        return -1;
    if (S_ISLNK(st.st_mode))
        return follow(s, next, &st);
    if (!S_ISDIR(st.st_mode))
        return fail(ENOTDIR);
    close(s->at);
    s->at = steal_fd(&next);
    return 0;
}

static int begin(struct search *s, const struct workdir *workdir, const char *path)
{
    size_t length = strlen(path);
    if (length == 0 || text_path_has_dotdot(path))
        return fail(EINVAL);
    if (length >= sizeof(s->left))
        return fail(ENAMETOOLONG);
    memcpy(s->left, path, length + 1);
    s->at = path[0] == '/' ? open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)
                           : openat(workdir->fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return s->at < 0 ? -1 : 0;
}

/* Whether the last segment is a link to follow. */
static bool is_followed(const struct search *s, const char *segment)
{
    struct stat st;
    return s->purpose == PLACE_FOLLOW && fstatat(s->at, segment, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISLNK(st.st_mode);
}

/* Enters every segment but the last, or every one if `last` is NULL. */
static int search(struct search *s, char *last)
{
    char segment[NAME_MAX + 1];
    bool too_long;
    while (next_segment(s, segment, &too_long)) {
        if (too_long)
            return fail(ENAMETOOLONG);
        if (strcmp(segment, ".") == 0)
            continue;
        if (last && !*s->left && !is_followed(s, segment)) {
            strcpy(last, segment);
            return 0;
        }
        if (enter(s, segment) < 0)
            return -1;
    }
    return 0;
}

int place_find(struct place *out, const struct workdir *workdir, const struct user *user,
               const char *path, enum place_purpose purpose)
{
    struct search s = {.user = user, .purpose = purpose, .links = LINKS_MAX, .at = -1};
    strcpy(out->name, ".");
    out->folder = -1;
    if (begin(&s, workdir, path) < 0 || search(&s, out->name) < 0) {
        cleanup_close_fd(&s.at);
        return -1;
    }
    out->folder = s.at;
    return 0;
}

void place_free(struct place *p)
{
    cleanup_close_fd(&p->folder);
}

int place_open_folder(const struct workdir *workdir, const struct user *user, const char *path,
                      enum place_purpose purpose)
{
    struct search s = {.user = user, .purpose = purpose, .links = LINKS_MAX, .at = -1};
    if (begin(&s, workdir, path) < 0 || search(&s, NULL) < 0)
        cleanup_close_fd(&s.at);
    return s.at;
}
