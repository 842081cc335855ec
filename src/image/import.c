/* SPDX-License-Identifier: MIT */
#include "image/import.h"

#include "base/cleanup.h"
#include "base/libexec.h"
#include "base/text.h"
#include "image/spawn.h"
#include "image/staging.h"
#include "image/unpack.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define OPERATION       "image.import"
#define STEP_TIMEOUT_MS (30 * 60 * 1000)

/* Within the staging folder. */
#define ROOTFS "rootfs"
#define IMAGE  "image.erofs"

struct reading {
    int fd;
    struct import_feedback *feedback;
};

static int tick(void *user)
{
    const struct reading *r = user;
    if (!r->feedback || !r->feedback->progress)
        return 0;
    /* The helper reads by the same open file, so its position is seen here; a pipe has none. */
    off_t at = lseek(r->fd, 0, SEEK_CUR);
    return r->feedback->progress(r->feedback->user, at > 0 ? (uint64_t)at : 0);
}

static const char *const plain_environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
                                                NULL};

/* What a helper that failed has said becomes the error. */
static int child_failed(const struct spawn_result *r, const char *doing, lr_error *err)
{
    if (r->code == UNPACK_INVALID)
        return error_set(err, LR_IMAGE_INVALID, OPERATION, "%s", r->text);
    if (r->code == SPAWN_KILLED + SIGINT || r->code == SPAWN_KILLED + SIGTERM)
        return error_set(err, LR_IO_FAILED, OPERATION, "stopped");
    if (r->code > SPAWN_KILLED)
        return error_set(err, LR_IO_FAILED, OPERATION, "%s was killed by signal %d%s%s", doing,
                         r->code - SPAWN_KILLED, r->text[0] ? ": " : "", r->text);
    return error_set(err, LR_IO_FAILED, OPERATION, "%s failed: %s", doing,
                     r->text[0] ? r->text : "it does not say why");
}

static int unpack(const char *helper, const struct staging *staging, struct reading *reading,
                  lr_error *err)
{
    cleanup_free char *target = text_path_join(staging->path, ROOTFS);
    if (!target)
        return error_oom(err, OPERATION);
    /* The root folder's mode, should the archive not give one. The umask does not matter. */
    if (mkdirat(staging->folder, ROOTFS, 0755) < 0 ||
        fchmodat(staging->folder, ROOTFS, 0755, 0) < 0)
        return error_errno(err, LR_IO_FAILED, OPERATION, errno, "cannot make '%s'", target);
    const char *limit = getenv("LIGHT_RUNNER_IMAGE_MAX_BYTES");
    uint64_t bytes;
    if (limit && !text_parse_size(limit, &bytes))
        return error_set(err, LR_INVALID_ARGUMENT, OPERATION,
                         "LIGHT_RUNNER_IMAGE_MAX_BYTES: '%.40s' is not a size", limit);
    const char *argv[] = {helper, "unpack", target, limit, NULL};
    struct spawn spawn = {
        .argv = argv,
        .environment = plain_environment,
        .stdin_fd = reading->fd,
        .timeout_ms = STEP_TIMEOUT_MS,
        .capabilities = UINT64_MAX, /* it makes namespaces, and takes its rights away itself */
        .tick = tick,
        .user = reading,
    };
    struct spawn_result result;
    if (spawn_run(&spawn, &result, err) < 0)
        return -1;
    if (result.code != 0)
        return child_failed(&result, "unpacking the archive", err);
    uint64_t skipped;
    if (!text_parse_u64(result.output, &skipped))
        return error_set(err, LR_INTERNAL, OPERATION, "the unpacker said '%s'", result.output);
    if (reading->feedback)
        reading->feedback->skipped = skipped;
    return 0;
}

static bool has(const struct staging *staging, const char *path)
{
    struct stat st;
    return fstatat(staging->folder, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The archives of `docker save` and of OCI tools hold layers, not a file system. */
static int refuse_image_archives(const struct staging *staging, lr_error *err)
{
    if (has(staging, ROOTFS "/bin") || has(staging, ROOTFS "/usr") || has(staging, ROOTFS "/etc"))
        return 0;
    const char *kind = has(staging, ROOTFS "/oci-layout")      ? "an OCI archive"
                       : has(staging, ROOTFS "/manifest.json") ? "an archive of docker save"
                                                               : NULL;
    if (!kind)
        return 0;
    error_set(err, LR_NOT_SUPPORTED, OPERATION,
              "this is %s, and only the tar of a root file system can be imported yet", kind);
    return error_hint(err, "docker export CONTAINER writes one");
}

static int make_erofs(const struct staging *staging, struct reading *reading, lr_error *err)
{
    cleanup_free char *source = text_path_join(staging->path, ROOTFS);
    cleanup_free char *target = text_path_join(staging->path, IMAGE);
    if (!source || !target)
        return error_oom(err, OPERATION);
    /*
     * noinline_data: gVisor cannot execute what is inlined into the metadata. --preserve-mtime
     * alone would put the present time into the superblock; SOURCE_DATE_EPOCH fixes that, and
     * lowers later times of files to it, hence a date that is far away (2100). With -T, which sets
     * the times of all files, compiled Python modules would look older than their sources, and be
     * made anew in each run.
     */
    const char *all_root = geteuid() == 0 ? NULL : "--all-root";
    const char *argv[] = {"mkfs.erofs",
                          "--quiet",
                          "--preserve-mtime",
                          "-Enoinline_data",
                          "-U00000000-0000-0000-0000-000000000000",
                          target,
                          source,
                          NULL,
                          NULL};
    if (all_root) {
        argv[5] = all_root;
        argv[6] = target;
        argv[7] = source;
    }
    static const char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
                                              "SOURCE_DATE_EPOCH=4102444800", NULL};
    struct spawn spawn = {
        .argv = argv,
        .environment = environment,
        .stdin_fd = -1,
        .timeout_ms = STEP_TIMEOUT_MS,
        .capabilities = 1ull << CAP_DAC_OVERRIDE | 1ull << CAP_DAC_READ_SEARCH,
        .tick = tick, /* the archive has been read; this lets it be stopped */
        .user = reading,
    };
    struct spawn_result result;
    if (spawn_run(&spawn, &result, err) < 0) {
        if (err && err->code == LR_NOT_SUPPORTED)
            error_hint(err, "apt-get install erofs-utils");
        return -1;
    }
    if (result.code != 0)
        return child_failed(&result, "mkfs.erofs", err);
    return 0;
}

static int digest(const char *helper, int fd, char **out, lr_error *err)
{
    const char *argv[] = {helper, "digest", NULL};
    struct spawn spawn = {
        .argv = argv,
        .environment = plain_environment,
        .stdin_fd = fd,
        .timeout_ms = STEP_TIMEOUT_MS,
        .capabilities = 0,
    };
    struct spawn_result result;
    if (spawn_run(&spawn, &result, err) < 0)
        return -1;
    if (result.code != 0)
        return child_failed(&result, "computing the digest", err);
    if (image_hex_length(result.output) != IMAGE_HEX_LENGTH)
        return error_set(err, LR_INTERNAL, OPERATION, "'%s' is no digest", result.output);
    if (asprintf(out, "sha256:%s", result.output) < 0) {
        *out = NULL;
        return error_oom(err, OPERATION);
    }
    return 0;
}

static int describe(struct image *image, const char *name, uint64_t size, lr_error *err)
{
    char created[32];
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ", &utc);
    image->name = strdup(name);
    image->created = strdup(created);
    image->user = strdup("");
    image->workdir = strdup("");
    image->size = size;
    return image->name && image->created && image->user && image->workdir
               ? 0
               : error_oom(err, OPERATION);
}

static int finish(const char *helper, struct staging *staging, const char *name, struct image *out,
                  lr_error *err)
{
    cleanup_close int fd = openat(staging->folder, IMAGE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_errno(err, LR_IO_FAILED, OPERATION, errno,
                           "cannot open what mkfs.erofs wrote");
    /* On disk before the index speaks of it; read-only, as nothing may ever change it. */
    if (fchmod(fd, 0400) < 0 || fsync(fd) < 0)
        return error_errno(err, LR_IO_FAILED, OPERATION, errno, "cannot write the image");
    if (digest(helper, fd, &out->digest, err) < 0 ||
        describe(out, name, (uint64_t)st.st_size, err) < 0)
        return -1;
    return store_add(staging->store, staging->folder, IMAGE, out, err);
}

int import_rootfs_tar(struct store *store, int tar_fd, const char *name, struct image *out,
                      struct import_feedback *feedback, lr_error *err)
{
    char normal[IMAGE_NAME_MAX + 1];
    *out = (struct image){0};
    if (image_name_normalize(normal, name, err) < 0)
        return -1;
    cleanup_free char *helper = libexec_find("light-runner-unpack", err);
    cleanup_staging struct staging staging = {.folder = -1};
    struct reading reading = {tar_fd, feedback};
    if (!helper || store_sweep(store, err) < 0 || staging_begin(&staging, store, err) < 0 ||
        unpack(helper, &staging, &reading, err) < 0 || refuse_image_archives(&staging, err) < 0 ||
        make_erofs(&staging, &reading, err) < 0)
        return -1;
    /* From here on the folder only takes up room. */
    (void)staging_remove_tree(staging.folder, ROOTFS);
    cleanup_image struct image image = {0};
    if (finish(helper, &staging, normal, &image, err) < 0)
        return -1;
    *out = image;
    image = (struct image){0};
    return 0;
}
