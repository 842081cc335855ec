/* SPDX-License-Identifier: MIT */
#include "image/unpacked.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "host/rootless.h"
#include "host/spawn.h"
#include "image/confinement.h"
#include "image/staging.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#define OPERATION "image.unpack"
#define FOLDER    "unpacked"
#define LOCK_FILE "lock"
#define NEW       ".new"
#define DEAD      ".dead"

#define FSCK_MEMORY_MAX (8ull << 30)

enum { UNPACK_TIMEOUT_MS = 10 * 60 * 1000, TICK_MS = 200, NAME_SIZE = IMAGE_HEX_LENGTH + 16 };

static int open_folder(int at, const char *name)
{
    return openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Opens the folder and locks it as in use. Returns -1 if it does not exist or is being removed. */
static int take(int folder, const char *name)
{
    struct stat held, there;
    cleanup_close int fd = open_folder(folder, name);
    if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) < 0 || fstat(fd, &held) < 0 ||
        fstatat(folder, name, &there, AT_SYMLINK_NOFOLLOW) < 0 || held.st_ino != there.st_ino)
        return -1;
    return steal_fd(&fd);
}

static bool is_stopped(const struct unpacked_owner *owner)
{
    return owner && owner->tick && owner->tick(owner->user) != 0;
}

/* deadline 0: do not wait. The tick of `owner` can stop the wait; may be NULL. */
static int lock(int folder, int64_t deadline, const struct unpacked_owner *owner)
{
    int64_t look = clock_ms() + TICK_MS;
    cleanup_close int fd =
        openat(folder, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -1;
        if (clock_ms() >= deadline) {
            errno = ETIMEDOUT;
            return -1;
        }
        if (clock_ms() >= look) {
            look = clock_ms() + TICK_MS;
            if (is_stopped(owner)) {
                errno = ECANCELED;
                return -1;
            }
        }
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    return steal_fd(&fd);
}

/* -------------------------------------------------------------- unpacking */

/* fsck.erofs reads data that may be hostile, so it runs confined, as the sandbox's own root. */
static int extract(struct store *store, const char *image, const char *target,
                   const struct unpacked_owner *owner, lrun_error *err)
{
    const char *argv[] = {
        "fsck.erofs",       "--extract=/target",
        "--preserve-perms", owner->many ? "--preserve-owner" : "--no-preserve-owner",
        "/image",           NULL};
    static const char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
                                              NULL};
    const struct spawn_tree trees[] = {{image, "image", false, false},
                                       {target, "target", true, true}};
    cleanup_confinement struct confinement confinement = CONFINEMENT_NONE;
    if (confinement_open_in(&confinement, store, owner->user_namespace, owner->first_id, err) < 0)
        return -1;
    struct spawn spawn = {
        .argv = argv,
        .environment = environment,
        .stdin_fd = -1,
        .timeout_ms = UNPACK_TIMEOUT_MS,
        .capabilities =
            1ull << CAP_CHOWN | 1ull << CAP_DAC_OVERRIDE | 1ull << CAP_FOWNER | 1ull << CAP_FSETID,
        .confinement = &confinement.walls,
        .trees = trees,
        .tree_count = 2,
        .max_memory = FSCK_MEMORY_MAX,
        .tick = owner->tick,
        .user = owner->user,
    };
    struct spawn_result result;
    if (spawn_run(&spawn, &result, err) < 0) {
        if (err && err->code == LRUN_NOT_SUPPORTED)
            error_hint(err, "apt-get install erofs-utils");
        return -1;
    }
    if (result.code != 0)
        return error_set(err, LRUN_START_FAILED, OPERATION, "fsck.erofs failed with %d: %s",
                         result.code, result.text);
    return 0;
}

/* `path`: the folder's path in this mount namespace. */
static int unpack(struct store *store, const char *path, int folder, const char *name, int image_fd,
                  const struct unpacked_owner *owner, lrun_error *err)
{
    cleanup_free char *to = text_path_join(path, NEW), *image = NULL;
    if (asprintf(&image, "%s/images/%.*s.erofs", store->path, IMAGE_HEX_LENGTH, name) < 0)
        image = NULL;
    if (!to || !image)
        return error_oom(err, OPERATION);
    if (staging_remove_tree(folder, NEW) < 0 || mkdirat(folder, NEW, 0755) < 0)
        return error_errno(err, LRUN_START_FAILED, OPERATION, errno,
                           "cannot make a folder for the image's files");
    cleanup_close int target = open_folder(folder, NEW);
    /* Other users cannot enter the store's folder. Making the image readable for others shows it
     * only to the namespace's root, for whom it is meant. */
    if (target < 0 || fchmod(image_fd, 0444) < 0 || fchmod(target, 0755) < 0 ||
        fchown(target, owner->first_id, owner->first_id) < 0)
        return error_errno(err, LRUN_START_FAILED, OPERATION, errno,
                           "cannot make a folder for the image's files");
    if (extract(store, image, to, owner, err) < 0) {
        (void)staging_remove_tree(folder, NEW);
        return -1;
    }
    /* The files must be on disk before the folder has its name. */
    if (syncfs(target) < 0 || renameat(folder, NEW, folder, name) < 0)
        return error_errno(err, LRUN_START_FAILED, OPERATION, errno,
                           "cannot keep the image's files");
    return 0;
}

int unpacked_open(int *out, struct store *store, const char *digest, int image_fd,
                  const struct unpacked_owner *owner, lrun_error *err)
{
    char name[NAME_SIZE];
    snprintf(name, sizeof(name), "%.*s.%u", IMAGE_HEX_LENGTH, digest + strlen("sha256:"),
             owner->host_id);
    if (mkdirat(store->root, FOLDER, 0700) < 0 && errno != EEXIST)
        return error_errno(err, LRUN_START_FAILED, OPERATION, errno, "cannot make '%s/%s'",
                           store->path, FOLDER);
    /* Opened by its path: a folder that was opened in another mount namespace cannot be
     * mounted in this one. */
    cleanup_free char *path = text_path_join(store->path, FOLDER);
    cleanup_close int folder = path ? open_folder(AT_FDCWD, path) : -1;
    if (folder < 0)
        return error_errno(err, LRUN_START_FAILED, OPERATION, errno, "cannot open '%s/%s'",
                           store->path, FOLDER);
    *out = take(folder, name);
    if (*out >= 0)
        return 0;
    cleanup_close int locked = lock(folder, clock_ms() + UNPACK_TIMEOUT_MS, owner);
    if (locked < 0)
        return error_errno(err, LRUN_START_FAILED, OPERATION, errno, "cannot lock '%s/%s'",
                           store->path, FOLDER);
    /* Another run may have unpacked it in the meantime. */
    *out = take(folder, name);
    if (*out >= 0)
        return 0;
    if (unpack(store, path, folder, name, image_fd, owner, err) < 0)
        return -1;
    *out = take(folder, name);
    return *out >= 0 ? 0
                     : error_errno(err, LRUN_START_FAILED, OPERATION, errno,
                                   "cannot open the image's files");
}

/* -------------------------------------------------------------- removing */

struct sweep {
    int folder;
    const struct index *index;
};

static bool is_wanted(const struct index *index, const char *name)
{
    char digest[IMAGE_DIGEST_LENGTH + 1];
    snprintf(digest, sizeof(digest), "sha256:%.*s", IMAGE_HEX_LENGTH, name);
    return index_uses(index, digest);
}

static bool is_ours(const char *name)
{
    return strspn(name, "0123456789abcdef") == IMAGE_HEX_LENGTH && name[IMAGE_HEX_LENGTH] == '.';
}

/* Runs under the lock, in the namespace whose ids own the files. */
static int sweep(void *user)
{
    const struct sweep *s = user;
    (void)staging_remove_tree(s->folder, NEW);
    (void)staging_remove_tree(s->folder, DEAD);
    cleanup_closedir DIR *dir = io_list(s->folder);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        if (!is_ours(e->d_name) || is_wanted(s->index, e->d_name))
            continue;
        cleanup_close int held = open_folder(s->folder, e->d_name);
        /* It loses its name first: a process that is killed here must not leave half an
         * image under that name. */
        if (held >= 0 && flock(held, LOCK_EX | LOCK_NB) == 0 &&
            renameat(s->folder, e->d_name, s->folder, DEAD) == 0)
            (void)staging_remove_tree(s->folder, DEAD);
    }
    return 0;
}

void unpacked_sweep(const struct store *store, const struct index *index)
{
    cleanup_close int folder = open_folder(store->root, FOLDER);
    cleanup_closedir DIR *dir = folder < 0 ? NULL : io_list(folder);
    if (!dir)
        return;
    bool needed = false;
    for (struct dirent *e; (e = readdir(dir));)
        needed = needed || strcmp(e->d_name, NEW) == 0 || strcmp(e->d_name, DEAD) == 0 ||
                 (is_ours(e->d_name) && !is_wanted(index, e->d_name));
    cleanup_close int locked = needed ? lock(folder, 0, NULL) : -1;
    struct sweep s = {folder, index};
    if (locked >= 0)
        (void)rootless_call(sweep, &s);
}
