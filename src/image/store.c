/* SPDX-License-Identifier: MIT */
#include "image/store.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "image/index.h"
#include "image/staging.h"
#include "image/store_folders.h"
#include "image/unpacked.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#define INDEX_FILE "index.json"
#define LOCK_FILE  "lock"
#define SETUP_FILE "setup.lock"

/* A holder of the lock reads and writes one small file. A minute is enough for an
 * overloaded machine. */
#define LOCK_TIMEOUT_MS 60000

enum { FILE_NAME_SIZE = IMAGE_HEX_LENGTH + sizeof(".erofs") };

static void file_name(char out[FILE_NAME_SIZE], const char *digest)
{
    snprintf(out, FILE_NAME_SIZE, "%.*s.erofs", IMAGE_HEX_LENGTH, digest + strlen("sha256:"));
}

int store_open(struct store **out, bool create, lrun_error *err)
{
    struct store *store = calloc(1, sizeof(*store));
    if (!store)
        return error_oom(err, "store.open");
    store->root = store->images = store->tmp = -1;
    if (store_folders_open(store, create, err) < 0) {
        store_close(store);
        return -1;
    }
    *out = store;
    return 0;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    cleanup_close_fd(&store->root);
    cleanup_close_fd(&store->images);
    cleanup_close_fd(&store->tmp);
    free(store->path);
    free(store);
}

/* -------------------------------------------------------------- the index */

static int lock(const struct store *store, int *out, lrun_error *err)
{
    static const struct timespec pause = {.tv_nsec = 20000000};
    cleanup_close int fd =
        openat(store->images, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        error_errno(err, LRUN_IO_FAILED, "store.lock", errno, "cannot open '%s/images/%s'",
                    store->path, LOCK_FILE);
        return error_hint(err, "set LIGHT_RUNNER_DATA_DIR to a folder that can be written");
    }
    int64_t deadline = clock_ms() + LOCK_TIMEOUT_MS;
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return error_errno(err, LRUN_IO_FAILED, "store.lock", errno, "cannot lock the store");
        if (clock_ms() >= deadline)
            return error_set(err, LRUN_IO_FAILED, "store.lock",
                             "another process has held the lock '%s/images/%s' for %d s",
                             store->path, LOCK_FILE, LOCK_TIMEOUT_MS / 1000);
        nanosleep(&pause, NULL);
    }
    *out = steal_fd(&fd);
    return 0;
}

static int read_index(const struct store *store, struct index *out, lrun_error *err)
{
    *out = (struct index){0};
    if (store->images < 0)
        return 0;
    size_t length;
    cleanup_free char *text = io_read_file_at(store->images, INDEX_FILE, INDEX_MAX_BYTES, &length);
    if (!text && errno == ENOENT)
        return 0;
    if (!text)
        return error_errno(err, LRUN_IO_FAILED, "image.index", errno, "cannot read '%s/images/%s'",
                           store->path, INDEX_FILE);
    if (index_parse(out, text, length, err) == 0)
        return 0;
    if (err && !err->hint[0])
        error_hint(err, "remove '%s/images/%s' and pull or import the images again", store->path,
                   INDEX_FILE);
    return -1;
}

static int write_index(const struct store *store, const struct index *index, lrun_error *err)
{
    cleanup_free char *text = index_dump(index);
    if (!text)
        return error_oom(err, "image.index");
    if (strlen(text) > INDEX_MAX_BYTES)
        return error_set(err, LRUN_IO_FAILED, "image.index", "the store holds too many images");
    if (io_write_file_atomic(store->images, INDEX_FILE, text, strlen(text), 0600) < 0)
        return error_errno(err, LRUN_IO_FAILED, "image.index", errno, "cannot write '%s/images/%s'",
                           store->path, INDEX_FILE);
    /* Without this, a crash of the machine may undo the rename. Not all file systems support it, so
     * a failure is not an error. */
    (void)fsync(store->images);
    return 0;
}

/* -------------------------------------------------------------- looking up */

/* Returns the image that the text names, or NULL. *ambiguous: it is a prefix of several digests. */
static const struct image *find(const struct index *index, const char *text, bool *ambiguous)
{
    char name[IMAGE_NAME_MAX + 1];
    *ambiguous = false;
    if (!image_is_digest(text) && image_name_normalize(name, text, NULL) == 0) {
        const struct image *named = index_find(index, name);
        if (named)
            return named;
    }
    bool prefixed = strncmp(text, "sha256:", 7) == 0;
    const char *hex = prefixed ? text + 7 : text;
    size_t length = image_hex_length(hex);
    if (length < IMAGE_PREFIX_MIN)
        return NULL;
    const struct image *found = NULL;
    for (size_t i = 0; i < index->count; i++) {
        const struct image *image = &index->images[i];
        if (strncmp(image->digest + 7, hex, length) != 0)
            continue;
        /* Several names of one digest are one image. */
        if (found && strcmp(found->digest, image->digest) != 0) {
            *ambiguous = true;
            return NULL;
        }
        found = found ? found : image;
    }
    return found;
}

static int is_ambiguous(const char *name, lrun_error *err)
{
    return error_set(err, LRUN_START_FAILED, "image.resolve",
                     "'%s' is the beginning of several images' digests", name);
}

/* Returns 1 if the file is missing although the index refers to it. */
static int resolve_once(const struct store *store, const char *name, struct image *out,
                        int *erofs_fd, lrun_error *err)
{
    cleanup_index struct index index = {0};
    if (read_index(store, &index, err) < 0)
        return -1;
    bool ambiguous;
    const struct image *found = find(&index, name, &ambiguous);
    if (!found && ambiguous)
        return is_ambiguous(name, err);
    if (!found) {
        error_set(err, LRUN_START_FAILED, "image.resolve", "no image named '%s'", name);
        return error_hint(err, "light-runner image pull NAME gets one, or image import FILE NAME");
    }
    char file[FILE_NAME_SIZE];
    file_name(file, found->digest);
    cleanup_close int fd = openat(store->images, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        int missing = errno == ENOENT;
        error_errno(err, LRUN_START_FAILED, "image.resolve", errno,
                    "cannot open the file of the image '%s'", name);
        if (missing)
            error_hint(err, "pull or import it again");
        return missing ? 1 : -1;
    }
    struct stat st;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != found->size) {
        error_set(err, LRUN_START_FAILED, "image.resolve",
                  "the file of the image '%s' does not have the size that the index gives", name);
        return error_hint(err, "pull or import it again");
    }
    if (image_copy(out, found, err) < 0)
        return -1;
    *erofs_fd = steal_fd(&fd);
    return 0;
}

int store_resolve(struct store *store, const char *name, struct image *out, int *erofs_fd,
                  lrun_error *err)
{
    /* Readers take no lock, so the image may be removed, or replaced under its name, after the
     * index was read and before the file is opened. In that case the index has changed too, and a
     * second attempt settles it. */
    int rc = resolve_once(store, name, out, erofs_fd, err);
    if (rc == 1)
        rc = resolve_once(store, name, out, erofs_fd, err);
    return rc == 0 ? 0 : -1;
}

int store_find(struct store *store, const char *name, char **digest, lrun_error *err)
{
    cleanup_index struct index index = {0};
    bool ambiguous;
    *digest = NULL;
    if (read_index(store, &index, err) < 0)
        return -1;
    const struct image *found = find(&index, name, &ambiguous);
    if (ambiguous)
        return is_ambiguous(name, err);
    if (found && !(*digest = strdup(found->digest)))
        return error_oom(err, "image.resolve");
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct image *)a)->name, ((const struct image *)b)->name);
}

int store_list(struct store *store, struct image **out, size_t *count, lrun_error *err)
{
    struct index index;
    if (read_index(store, &index, err) < 0)
        return -1;
    if (index.count)
        qsort(index.images, index.count, sizeof(*index.images), by_name);
    *out = index.images;
    *count = index.count;
    return 0;
}

void store_list_free(struct image *images, size_t count)
{
    struct index index = {images, count};
    index_free(&index);
}

/* -------------------------------------------------------------- changing */

static void remove_unused(const struct store *store, const struct index *index, const char *digest)
{
    char file[FILE_NAME_SIZE];
    if (index_uses(index, digest))
        return;
    file_name(file, digest);
    /* If this fails, no name refers to the file, and the next sweep tries again. */
    (void)unlinkat(store->images, file, 0);
}

static int not_found(const char *name, lrun_error *err)
{
    error_set(err, LRUN_IMAGE_NOT_FOUND, "image.remove", "no image named '%s'", name);
    return error_hint(err, "light-runner image ls shows what is there");
}

int store_remove(struct store *store, const char *name, lrun_error *err)
{
    cleanup_close int locked = -1;
    cleanup_index struct index index = {0};
    if (store->images < 0)
        return not_found(name, err);
    if (lock(store, &locked, err) < 0 || read_index(store, &index, err) < 0)
        return -1;
    bool ambiguous;
    const struct image *found = find(&index, name, &ambiguous);
    if (!found)
        return not_found(name, err);
    cleanup_free char *digest = strdup(found->digest);
    if (!digest)
        return error_oom(err, "image.remove");
    char normal[IMAGE_NAME_MAX + 1];
    bool by_digest =
        image_name_normalize(normal, name, NULL) < 0 || strcmp(normal, found->name) != 0;
    /* A digest means the image itself, so all its names are removed. */
    for (size_t i = index.count; i-- > 0;) {
        struct image *image = &index.images[i];
        if (by_digest ? strcmp(image->digest, digest) == 0 : strcmp(image->name, normal) == 0)
            index_drop(&index, image);
    }
    if (write_index(store, &index, err) < 0)
        return -1;
    remove_unused(store, &index, digest);
    unpacked_sweep(store, &index);
    return 0;
}

int store_add(struct store *store, int folder, const char *file, const struct image *image,
              lrun_error *err)
{
    cleanup_close int locked = -1;
    cleanup_index struct index index = {0};
    cleanup_image struct image added = {0};
    cleanup_free char *replaced = NULL;
    char final[FILE_NAME_SIZE];
    if (!image_is_digest(image->digest))
        return error_set(err, LRUN_INTERNAL, "store.add", "'%s' is not a digest", image->digest);
    /* The index is read first: an unreadable index must not be replaced with a new one. */
    if (lock(store, &locked, err) < 0 || read_index(store, &index, err) < 0 ||
        image_copy(&added, image, err) < 0)
        return -1;
    const struct image *old = index_find(&index, image->name);
    if (old && !(replaced = strdup(old->digest)))
        return error_oom(err, "store.add");
    file_name(final, image->digest);
    /* A file with that digest may exist already. It has the same bytes, and if it has been damaged
     * since, this repairs it. */
    if (renameat(folder, file, store->images, final) < 0)
        return error_errno(err, LRUN_IO_FAILED, "store.add", errno, "cannot move the image to '%s'",
                           final);
    if (index_put(&index, &added, err) < 0 || write_index(store, &index, err) < 0)
        return -1;
    if (replaced) {
        remove_unused(store, &index, replaced);
        unpacked_sweep(store, &index);
    }
    return 0;
}

/* Removes files without a name in the index, and temporary files of an index that
 * was never finished. */
static void sweep_images(const struct store *store, const struct index *index)
{
    cleanup_closedir DIR *dir = io_list(store->images);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        const char *name = entry->d_name;
        size_t hex = strspn(name, "0123456789abcdef");
        if (fnmatch(".index.json.*.tmp", name, 0) == 0) {
            unlinkat(store->images, name, 0);
        } else if (hex == IMAGE_HEX_LENGTH && strcmp(name + hex, ".erofs") == 0) {
            char digest[IMAGE_DIGEST_LENGTH + 1];
            snprintf(digest, sizeof(digest), "sha256:%.*s", IMAGE_HEX_LENGTH, name);
            remove_unused(store, index, digest);
        }
    }
}

int store_sweep(struct store *store, lrun_error *err)
{
    if (store->images < 0)
        return 0;
    cleanup_close int locked = -1;
    cleanup_index struct index index = {0};
    staging_sweep(store);
    if (lock(store, &locked, err) < 0 || read_index(store, &index, err) < 0)
        return -1;
    sweep_images(store, &index);
    unpacked_sweep(store, &index);
    return 0;
}

int store_setup_lock(struct store *store, int *fd, lrun_error *err)
{
    *fd = openat(store->images, SETUP_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    return *fd < 0 ? error_errno(err, LRUN_IO_FAILED, "store.lock", errno,
                                 "cannot open '%s/images/%s'", store->path, SETUP_FILE)
                   : 0;
}
