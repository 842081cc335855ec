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

static int make_parents(char *path, bool *created, struct failure *failure)
{
    for (char *slash = path; slash;) {
        slash = strchr(slash + 1, '/');
        if (slash)
            *slash = '\0';
        int failed = mkdir(path, 0755);
        if (failed && errno != EEXIST)
            return failure_errno(failure, operation, errno, "cannot make the folder '%.300s'",
                                 path);
        *created = !failed;
        if (slash)
            *slash = '/';
    }
    return 0;
}

/* A mount of the run's own, which its user could not write to: that of a volume. */
static bool is_fresh_mount(int fd, const char *path)
{
    struct stat here, above;
    char parent[PATH_MAX];
    snprintf(parent, sizeof(parent), "%s/..", path);
    cleanup_close int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (copy < 0 || fstat(copy, &here) < 0 || stat(parent, &above) < 0 ||
        here.st_dev == above.st_dev || here.st_uid != 0)
        return false;
    cleanup_closedir DIR *entries = fdopendir(copy);
    if (!entries)
        return false;
    (void)steal_fd(&copy);
    for (struct dirent *e; (e = readdir(entries));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            return false;
    return true;
}

int workdir_open(int *fd, const char *path, const struct user *user, struct failure *failure)
{
    if (path[0] != '/' || strlen(path) >= PATH_MAX || text_path_has_dotdot(path))
        return failure_set(failure, operation, "workdir '%.300s' is not an absolute path", path);
    cleanup_free char *clean = text_path_join("/", path);
    if (!clean)
        return failure_errno(failure, operation, ENOMEM, "workdir");
    bool created = false;
    if (clean[1] && make_parents(clean, &created, failure) < 0)
        return -1;
    cleanup_close int opened = open(clean, O_RDONLY | O_DIRECTORY | O_NOCTTY | O_CLOEXEC);
    if (opened < 0)
        return failure_errno(failure, operation, errno, "cannot open the folder '%.300s'", clean);
    if (!created)
        created = clean[1] && user->uid != 0 && is_fresh_mount(opened, clean);
    if (created && (fchown(opened, user->uid, user->gid) < 0 || fchmod(opened, 0755) < 0))
        return failure_errno(failure, operation, errno,
                             "cannot give the folder '%.300s' to its user", clean);
    *fd = steal_fd(&opened);
    return 0;
}
