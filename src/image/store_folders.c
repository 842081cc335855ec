/* SPDX-License-Identifier: MIT */
#include "image/store_folders.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "host/rootless.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define OPERATION "store.open"

static int choose_path(char **out, lrun_error *err)
{
    const char *chosen = secure_getenv("LIGHT_RUNNER_DATA_DIR");
    const char *base = NULL, *below = "";
    if (chosen && chosen[0]) {
        if (chosen[0] != '/' || text_path_has_dotdot(chosen))
            return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
                             "LIGHT_RUNNER_DATA_DIR is '%s'; it must be an absolute path without "
                             "'..'",
                             chosen);
        base = chosen;
    } else if (rootless_host_uid() == 0) {
        base = "/var/lib/light-runner";
    } else {
        const char *data = secure_getenv("XDG_DATA_HOME"), *home = secure_getenv("HOME");
        if (data && data[0] == '/') {
            base = data;
            below = "light-runner";
        } else if (home && home[0] == '/') {
            base = home;
            below = ".local/share/light-runner";
        }
    }
    if (!base) {
        error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "there is no folder for the images");
        return error_hint(err, "set HOME, or LIGHT_RUNNER_DATA_DIR");
    }
    *out = text_path_join(base, below);
    return *out ? 0 : error_oom(err, OPERATION);
}

/* mkdir -p. Only its owner can enter the store's own folder; the folders above it are ordinary. */
static int make_path(const char *path)
{
    cleanup_free char *partial = strdup(path);
    if (!partial)
        return -1;
    for (char *s = partial + 1; (s = strchr(s, '/')); s++) {
        *s = '\0';
        if (mkdir(partial, 0755) < 0 && errno != EEXIST)
            return -1;
        *s = '/';
    }
    return mkdir(path, 0700) < 0 && errno != EEXIST ? -1 : 0;
}

/* Returns 0, or -1 with errno. *out stays -1 if the folder is missing and must not be created. */
static int open_folder(int at, const char *name, bool create, int *out)
{
    if (create && mkdirat(at, name, 0700) < 0 && errno != EEXIST)
        return -1;
    *out = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return *out < 0 && (create || errno != ENOENT) ? -1 : 0;
}

static int check_owner(int fd, const char *path, const char *name, lrun_error *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot look at '%s'", path);
    if ((st.st_uid == geteuid() || st.st_uid == 0) && (st.st_mode & 022) == 0)
        return 0;
    error_set(err, LRUN_IO_FAILED, OPERATION,
              "'%s%s' belongs to, or can be written by, another user", path, name);
    return error_hint(err, "chown it to yourself and chmod go-w it, or set LIGHT_RUNNER_DATA_DIR");
}

int store_folders_open(struct store *store, bool create, lrun_error *err)
{
    if (choose_path(&store->path, err) < 0)
        return -1;
    if (create && make_path(store->path) < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot make the folder '%s'",
                           store->path);
    store->root = open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->root < 0) {
        if (!create && errno == ENOENT)
            return 0;
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot open the folder '%s'",
                           store->path);
    }
    if (open_folder(store->root, "images", create, &store->images) < 0 ||
        open_folder(store->root, "tmp", create, &store->tmp) < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot open the folders of '%s'",
                           store->path);
    if (check_owner(store->root, store->path, "", err) < 0)
        return -1;
    if (store->images >= 0 && check_owner(store->images, store->path, "/images", err) < 0)
        return -1;
    return store->tmp < 0 ? 0 : check_owner(store->tmp, store->path, "/tmp", err);
}

int store_scratch_folder(struct store *store, char **out, lrun_error *err)
{
    if (store->root < 0)
        return error_set(err, LRUN_IO_FAILED, "store.scratch", "there is no store at '%s'",
                         store->path);
    if (mkdirat(store->root, "scratch", 0700) < 0 && errno != EEXIST)
        return error_errno(err, LRUN_STORAGE_FAILED, "store.scratch", errno,
                           "cannot make '%s/scratch'", store->path);
    if (asprintf(out, "%s/scratch", store->path) < 0) {
        *out = NULL;
        return error_oom(err, "store.scratch");
    }
    return 0;
}
