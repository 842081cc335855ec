/* SPDX-License-Identifier: MIT */
#include "workdir.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

static const char operation[] = "prepare";

/* The number of links that the kernel follows in one path. */
enum { LINKS_MAX = 40 };

static int make_folders(char *path, int *links, bool *created, struct failure *failure);

static int cannot_make(const char *path, int errnum, struct failure *failure)
{
    return failure_errno(failure, operation, errnum, "cannot make the folder '%.300s'", path);
}

/* Returns the target of the link; a relative target is joined to the link's folder. malloc'd. */
static char *target_of(const char *path)
{
    char target[PATH_MAX], *joined;
    ssize_t length = readlink(path, target, sizeof(target) - 1);
    if (length <= 0)
        return NULL;
    target[length] = '\0';
    int folder = target[0] == '/' ? 0 : (int)(strrchr(path, '/') + 1 - path);
    return asprintf(&joined, "%.*s%s", folder, path, target) < 0 ? NULL : joined;
}

/* Creates the folder. If the image has a dangling link there, creates the link's target. */
static int make_folder(const char *path, int *links, bool *created, struct failure *failure)
{
    struct stat st;
    *created = mkdir(path, 0755) == 0;
    if (*created)
        return 0;
    if (errno != EEXIST)
        return cannot_make(path, errno, failure);
    if (stat(path, &st) == 0 || errno != ENOENT)
        return 0; /* workdir_open() finds out whether it can be opened */
    cleanup_free char *target = target_of(path);
    if (!target || --*links < 0)
        return cannot_make(path, ELOOP, failure);
    return make_folders(target, links, created, failure);
}

static int make_folders(char *path, int *links, bool *created, struct failure *failure)
{
    for (char *slash = path; slash;) {
        slash = strchr(slash + 1, '/');
        if (slash)
            *slash = '\0';
        if (make_folder(path, links, created, failure) < 0)
            return -1;
        if (slash)
            *slash = '/';
    }
    return 0;
}

static int open_folder(const char *path)
{
    return open(path, O_RDONLY | O_DIRECTORY | O_NOCTTY | O_CLOEXEC);
}

int workdir_open(struct workdir *w, const char *path, const char *otherwise,
                 const struct user *user, struct failure *failure)
{
    if (path[0] != '/' || strlen(path) >= PATH_MAX || text_path_has_dotdot(path))
        return failure_set(failure, operation, "workdir '%.300s' is not an absolute path", path);
    cleanup_free char *clean = text_path_join("/", path);
    if (!clean)
        return failure_errno(failure, operation, ENOMEM, "workdir");
    bool created = false;
    int links = LINKS_MAX;
    if (clean[1] && make_folders(clean, &links, &created, failure) < 0)
        return -1;
    cleanup_close int opened = open_folder(clean);
    if (opened < 0 && errno == ENOTDIR && otherwise) {
        free(steal_ptr(clean));
        clean = text_path_join("/", otherwise);
        opened = clean ? open_folder(clean) : -1;
    }
    if (opened < 0)
        return failure_errno(failure, operation, errno, "cannot open the folder '%.300s'",
                             clean ? clean : path);
    if (created && (fchown(opened, user->uid, user->gid) < 0 || fchmod(opened, 0755) < 0))
        return failure_errno(failure, operation, errno,
                             "cannot give the folder '%.300s' to its user", clean);
    /* "/" keeps its owner, whatever user starts there. */
    if (clean[1])
        user_give_folder(user, opened);
    w->path = steal_ptr(clean);
    w->fd = steal_fd(&opened);
    return 0;
}

int workdir_enter(const char *path, const struct user *user, struct failure *failure)
{
    int fd = path[0] == '/' ? open_folder(path) : -1;
    if (fd >= 0)
        return fd;
    if (path[0] == '/' && errno != ENOENT)
        return failure_errno(failure, operation, errno, "cannot open the folder '%.300s'", path);
    struct workdir w = {.fd = -1};
    if (workdir_open(&w, path, NULL, user, failure) < 0)
        return -1;
    free(w.path);
    return w.fd;
}
