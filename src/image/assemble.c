/* SPDX-License-Identifier: MIT */
#include "image/assemble.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/libexec.h"
#include "base/text.h"
#include "host/spawn.h"
#include "image/digest.h"
#include "image/layout.h"
#include "image/layout_document.h"
#include "image/unpack.h"
#include "wire/fields.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#define OPERATION           "image.import"
#define STEP_TIMEOUT_MS     (30 * 60 * 1000)
#define DOCUMENT_TIMEOUT_MS (60 * 1000)

/* Inside the staging folder. */
#define ROOTFS ASSEMBLY_ROOTFS
#define IMAGE  "image.erofs"

struct reading {
    const int *fds; /* NULL: all input has been read, but the work can still be stopped */
    size_t count;
    struct image_feedback *feedback;
};

/* mkfs.erofs 1.8 does not exit when the disk is full. This is how long we wait if the file does not
 * grow and the disk has no room. */
#define FULL_PATIENCE_MS 5000

struct writing {
    struct reading reading; /* first member: its tick() gets a pointer to it */
    int image;
    blkcnt_t blocks;
    int64_t since; /* when the file last grew */
    bool full;
};

static int tick(void *user)
{
    const struct reading *r = user;
    uint64_t done = 0;
    if (!r->feedback || !r->feedback->progress)
        return 0;
    /* The helper shares our open files, so their positions are visible here. A pipe has none. */
    for (size_t i = 0; r->fds && i < r->count; i++) {
        off_t at = lseek(r->fds[i], 0, SEEK_CUR);
        done += at > 0 ? (uint64_t)at : 0;
    }
    return r->feedback->progress(r->feedback->user, done);
}

static int tick_writing(void *user)
{
    struct writing *w = user;
    struct stat st;
    struct statvfs room;
    if (fstat(w->image, &st) == 0 && st.st_blocks != w->blocks) {
        w->blocks = st.st_blocks;
        w->since = clock_ms();
    }
    w->full = clock_ms() - w->since > FULL_PATIENCE_MS && fstatvfs(w->image, &room) == 0 &&
              room.f_bavail == 0;
    return w->full ? 1 : tick(&w->reading);
}

static const char *const plain_environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
                                                NULL};

/* Turns the output of a failed helper into the error. */
static int child_failed(const struct spawn_result *r, const char *doing, lrun_error *err)
{
    if (r->code == UNPACK_INVALID)
        return error_set(err, LRUN_IMAGE_INVALID, OPERATION, "%s", r->text);
    if (r->code == SPAWN_KILLED + SIGINT || r->code == SPAWN_KILLED + SIGTERM)
        return error_set(err, LRUN_IO_FAILED, OPERATION, "stopped");
    if (r->code > SPAWN_KILLED)
        return error_set(err, LRUN_IO_FAILED, OPERATION, "%s was killed by signal %d%s%s", doing,
                         r->code - SPAWN_KILLED, r->text[0] ? ": " : "", r->text);
    return error_set(err, LRUN_IO_FAILED, OPERATION, "%s failed: %s", doing,
                     r->text[0] ? r->text : "no reason given");
}

/* Creates the folder to unpack to. It belongs to the root of the confinement. */
static int make_rootfs(const struct assembly *a, char **out, lrun_error *err)
{
    uint32_t owner = a->confinement.first_id;
    *out = text_path_join(a->staging.path, ROOTFS);
    if (!*out)
        return error_oom(err, OPERATION);
    /* The root folder's mode, in case the archive does not set one. The umask does
     * not apply to chmod. */
    if (mkdirat(a->staging.folder, ROOTFS, 0755) < 0 ||
        fchmodat(a->staging.folder, ROOTFS, 0755, 0) < 0 ||
        fchownat(a->staging.folder, ROOTFS, owner, owner, AT_SYMLINK_NOFOLLOW) < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot make '%s'", *out);
    return 0;
}

/* mkfs.erofs 1.5 does not support longer names, and does not say so when it fails. */
#define OLD_NAME_MAX 254

/* For the programs that handle the image's files, of which there may be two million. */
#define MKFS_MEMORY_MAX (8ull << 30)

static int confine(struct assembly *a, lrun_error *err)
{
    if (a->confinement.walls.user_namespace >= 0)
        return 0;
    return confinement_open(&a->confinement, a->staging.store, err);
}

/* CAP_SYS_CHROOT and CAP_SETPCAP let the unpacker confine itself; it drops them when it has done so
 * (unpack_confine()). The others are for files of all owners. */
static const uint64_t unpacker_capabilities = 1ull << CAP_CHOWN | 1ull << CAP_DAC_OVERRIDE |
                                              1ull << CAP_FOWNER | 1ull << CAP_FSETID |
                                              1ull << CAP_SYS_CHROOT | 1ull << CAP_SETPCAP;

static int run_unpacker(struct assembly *a, const char *target, struct spawn *spawn,
                        struct reading *reading, const char *doing, lrun_error *err)
{
    struct spawn_result result;
    uint64_t skipped;
    char *longest;
    const struct spawn_tree tree = {target, &UNPACK_TARGET[1], true, true};
    spawn->environment = plain_environment;
    spawn->timeout_ms = STEP_TIMEOUT_MS;
    spawn->capabilities = unpacker_capabilities;
    spawn->confinement = &a->confinement.walls;
    spawn->trees = &tree;
    spawn->tree_count = 1;
    spawn->tick = tick;
    spawn->user = reading;
    if (spawn_run(spawn, &result, err) < 0)
        return -1;
    if (result.code != 0)
        return child_failed(&result, doing, err);
    longest = strchr(result.output, ' ');
    if (longest)
        *longest++ = '\0';
    char *ids = longest ? strchr(longest, ' ') : NULL;
    if (ids)
        *ids++ = '\0';
    if (!ids || !text_parse_u64(result.output, &skipped) ||
        !text_parse_u64(longest, &a->longest_name))
        return error_set(err, LRUN_INTERNAL, OPERATION, "the unpacker said '%.40s'", result.output);
    if (a->feedback)
        a->feedback->skipped = skipped;
    if (*ids && !(a->high_ids = strdup(ids)))
        return error_oom(err, OPERATION);
    return 0;
}

int assembly_unpack_archive(struct assembly *a, int fd, lrun_error *err)
{
    cleanup_free char *target = NULL;
    char limit[24];
    snprintf(limit, sizeof(limit), "%" PRIu64, a->max_bytes);
    if (confine(a, err) < 0 || make_rootfs(a, &target, err) < 0)
        return -1;
    const char *argv[] = {a->helper, "unpack", limit, a->confinement.owners ? "1" : "0", NULL};
    struct spawn spawn = {.argv = argv, .stdin_fd = fd};
    struct reading reading = {&fd, 1, a->feedback};
    return run_unpacker(a, target, &spawn, &reading, "unpacking the archive", err);
}

int assembly_pack(struct assembly *a, int fd, lrun_error *err)
{
    cleanup_free char *source = text_path_join(a->staging.path, ROOTFS);
    char limit[24];
    snprintf(limit, sizeof(limit), "%" PRIu64, a->max_bytes);
    if (!source)
        return error_oom(err, OPERATION);
    const char *argv[] = {a->helper, "pack", limit, a->confinement.owners ? "1" : "0", NULL};
    const struct spawn_tree tree = {source, &UNPACK_TARGET[1], true, false};
    struct reading reading = {NULL, 0, a->feedback};
    const struct spawn spawn = {
        .argv = argv,
        .environment = plain_environment,
        .stdin_fd = -1,
        .output_fd = fd,
        .timeout_ms = STEP_TIMEOUT_MS,
        .capabilities = unpacker_capabilities,
        .confinement = &a->confinement.walls,
        .trees = &tree,
        .tree_count = 1,
        .tick = tick,
        .user = &reading,
    };
    struct spawn_result result;
    if (spawn_run(&spawn, &result, err) < 0)
        return -1;
    return result.code == 0 ? 0 : child_failed(&result, "packing the image", err);
}

static int digest_of(void *user, int fd, char hex[IMAGE_HEX_LENGTH + 1], lrun_error *err)
{
    const struct assembly *a = user;
    return digest_of_file(hex, fd, a->feedback, err);
}

/* Reads the output of the helper, no more than the helper is allowed to print. */
static int read_answer(int fd, struct buffer *out, lrun_error *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || st.st_size > LAYOUT_DOCUMENT_ANSWER_MAX)
        return error_set(err, LRUN_IMAGE_INVALID, OPERATION,
                         "a document of the image is too large");
    size_t length = (size_t)st.st_size;
    char *to = length ? buffer_reserve(out, length) : NULL;
    if (length && (!to || pread(fd, to, length, 0) != (ssize_t)length))
        return error_oom(err, OPERATION);
    buffer_commit(out, length);
    const struct frame f = {.length = (uint32_t)length, .payload = buffer_data(out)};
    return fields_valid(&f) ? 0
                            : error_set(err, LRUN_INTERNAL, OPERATION,
                                        "the reader of the image's documents ended early");
}

int assembly_ask(void *user, const char *kind, int fd, struct buffer *out, lrun_error *err)
{
    struct assembly *a = user;
    cleanup_close int answer = memfd_create("document", MFD_CLOEXEC);
    if (answer < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot make a file");
    /* A user's skopeo, which may run after this, does not work in the namespace that the walls make
     * this process enter. So documents that are read before the download, by a user other than
     * root, are parsed without walls; only the memory limit applies. */
    if (geteuid() == 0 && confine(a, err) < 0)
        return -1;
    const char *argv[] = {a->helper, "document", kind, a->name, NULL};
    struct reading reading = {NULL, 0, a->feedback};
    struct spawn spawn = {
        .argv = argv,
        .environment = plain_environment,
        .stdin_fd = fd,
        .output_fd = answer,
        .max_file_bytes = LAYOUT_DOCUMENT_ANSWER_MAX,
        .timeout_ms = DOCUMENT_TIMEOUT_MS,
        .confinement = a->confinement.walls.user_namespace >= 0 ? &a->confinement.walls : NULL,
        .tick = tick,
        .user = &reading,
    };
    struct spawn_result result;
    if (spawn_run(&spawn, &result, err) < 0 || read_answer(answer, out, err) < 0)
        return -1;
    if (result.code == 0)
        return 0;
    child_failed(&result, "reading a document of the image", err);
    const struct frame f = {.length = (uint32_t)buffer_length(out), .payload = buffer_data(out)};
    const char *hint = fields_get(&f, "hint");
    return hint ? error_hint(err, "%s", hint) : -1;
}

int assembly_unpack_layers(struct assembly *a, int folder, struct image *config, lrun_error *err)
{
    cleanup_layout struct layout layout = {0};
    cleanup_free char *target = NULL;
    char limit[24];
    const char *argv[4 + UNPACK_MAX_LAYERS + 1] = {a->helper, "layers"};
    snprintf(limit, sizeof(limit), "%" PRIu64, a->max_bytes);
    const struct layout_helpers helpers = {digest_of, assembly_ask, a};
    if (confine(a, err) < 0 || layout_read(&layout, folder, &helpers, err) < 0 ||
        make_rootfs(a, &target, err) < 0)
        return -1;
    argv[2] = limit;
    argv[3] = a->confinement.owners ? "1" : "0";
    memcpy(argv + 4, layout.digests, layout.count * sizeof(*argv));
    struct spawn spawn = {
        .argv = argv, .stdin_fd = -1, .more_fds = layout.layers, .more_count = layout.count};
    /* Progress counts the bytes of the archive or of the download. Both are complete by now. */
    struct reading reading = {NULL, 0, a->feedback};
    if (run_unpacker(a, target, &spawn, &reading, "unpacking the layers", err) < 0)
        return -1;
    if (a->feedback && layout.architecture[0] &&
        strcmp(layout.architecture, image_host_architecture()) != 0)
        snprintf(a->feedback->architecture, sizeof(a->feedback->architecture), "%s",
                 layout.architecture);
    *config = layout.image;
    layout.image = (struct image){0};
    return 0;
}

/* Creates the file that becomes the image. It belongs to the id that writes it. */
static int create_file(const struct assembly *a, lrun_error *err)
{
    uint32_t owner = a->confinement.first_id;
    cleanup_close int fd =
        openat(a->staging.folder, IMAGE, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || fchown(fd, owner, owner) < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot make the image's file");
    return steal_fd(&fd);
}

static int make_erofs(const struct assembly *a, const char *tree, lrun_error *err)
{
    cleanup_free char *target = text_path_join(a->staging.path, IMAGE);
    if (!target)
        return error_oom(err, OPERATION);
    cleanup_close int file = create_file(a, err);
    if (file < 0)
        return -1;
    struct writing writing = {
        .reading = {NULL, 0, a->feedback}, .image = file, .since = clock_ms()};
    /*
     * noinline_data: gVisor cannot execute files whose data is inlined into the metadata.
     *
     * --preserve-mtime alone would put the current time into the superblock. SOURCE_DATE_EPOCH
     * fixes that, but also lowers later file times to its value, hence the distant date (2100). -T
     * would set the times of all files. Then compiled Python modules would look older than their
     * sources, and would be compiled again in each run.
     */
    const char *argv[] = {"mkfs.erofs",
                          "--quiet",
                          "--preserve-mtime",
                          "-Enoinline_data",
                          "-U00000000-0000-0000-0000-000000000000",
                          NULL,
                          NULL,
                          NULL,
                          NULL};
    size_t count = 5;
    if (!a->confinement.owners)
        argv[count++] = "--all-root";
    argv[count++] = "/image";
    argv[count++] = "/source";
    const struct spawn_tree trees[] = {{target, "image", false, true},
                                       {tree, "source", true, false}};
    static const char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
                                              "SOURCE_DATE_EPOCH=4102444800", NULL};
    struct spawn spawn = {
        .argv = argv,
        .environment = environment,
        .stdin_fd = -1,
        .timeout_ms = STEP_TIMEOUT_MS,
        .capabilities = 1ull << CAP_DAC_OVERRIDE | 1ull << CAP_DAC_READ_SEARCH,
        .confinement = &a->confinement.walls,
        .trees = trees,
        .tree_count = 2,
        .max_memory = MKFS_MEMORY_MAX,
        .tick = tick_writing,
        .user = &writing,
    };
    struct spawn_result result;
    if (spawn_run(&spawn, &result, err) < 0) {
        if (writing.full)
            return error_set(err, LRUN_IO_FAILED, OPERATION,
                             "the disk is full: No space left on device");
        if (err && err->code == LRUN_NOT_SUPPORTED)
            error_hint(err, "apt-get install erofs-utils");
        return -1;
    }
    if (result.code != 0 && a->longest_name > OLD_NAME_MAX) {
        error_set(err, LRUN_NOT_SUPPORTED, OPERATION,
                  "a name of %d bytes is too long for this mkfs.erofs", (int)a->longest_name);
        return error_hint(err, "take a newer erofs-utils: 1.8.6 does");
    }
    if (result.code != 0)
        return child_failed(&result, "mkfs.erofs", err);
    if (fchown(file, 0, 0) < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno,
                           "cannot take ownership of the image's file");
    return 0;
}

/* Completes an image that has only its configuration. */
static int describe(struct image *image, const char *name, uint64_t size, lrun_error *err)
{
    char created[32];
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ", &utc);
    image->name = strdup(name);
    image->created = strdup(created);
    image->user = image->user ? image->user : strdup("");
    image->workdir = image->workdir ? image->workdir : strdup("");
    image->size = size;
    return image->name && image->created && image->user && image->workdir
               ? 0
               : error_oom(err, OPERATION);
}

static int finish(struct assembly *a, const char *name, struct image *image, lrun_error *err)
{
    cleanup_close int fd = openat(a->staging.folder, IMAGE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    char hex[IMAGE_HEX_LENGTH + 1];
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno,
                           "cannot open the output of mkfs.erofs");
    /* The file must be on disk before the index refers to it. It is read-only because nothing
     * may ever change it. */
    /* Others cannot enter the store's folder, except for the root of a user's namespace, who reads
     * the image (unpacked.c). Several processes may pull the same image at once, and the last one's file
     * stays. */
    if (fchmod(fd, 0444) < 0 || fsync(fd) < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot write the image");
    if (digest_of(a, fd, hex, err) < 0 || describe(image, name, (uint64_t)st.st_size, err) < 0)
        return -1;
    if (asprintf(&image->digest, "sha256:%s", hex) < 0) {
        image->digest = NULL;
        return error_oom(err, OPERATION);
    }
    return store_add(a->staging.store, a->staging.folder, IMAGE, image, err);
}

static int store_tree(struct assembly *a, const char *path, const char *name, struct image *config,
                      struct image *out, lrun_error *err)
{
    cleanup_image struct image image = *config;
    *config = (struct image){0};
    if (make_erofs(a, path, err) < 0)
        return -1;
    /* If nothing was unpacked, the tree was made from an image whose ids `config` already has. */
    if (a->high_ids)
        image.high_ids = steal_ptr(a->high_ids);
    /* The folder is no longer needed, and takes up room. */
    (void)staging_remove_tree(a->staging.folder, ROOTFS);
    if (finish(a, name, &image, err) < 0)
        return -1;
    *out = image;
    image = (struct image){0};
    return 0;
}

int assembly_store_tree(struct assembly *a, const struct assembly_tree *tree, const char *name,
                        struct image *config, struct image *out, lrun_error *err)
{
    return confinement_open_in(&a->confinement, a->staging.store, tree->user_namespace, tree->owner,
                               err) < 0
               ? -1
               : store_tree(a, tree->path, name, config, out, err);
}

int assembly_store(struct assembly *a, const char *name, struct image *config, struct image *out,
                   lrun_error *err)
{
    cleanup_free char *source = text_path_join(a->staging.path, ROOTFS);
    return source ? store_tree(a, source, name, config, out, err) : error_oom(err, OPERATION);
}

static int read_limit(uint64_t *out, lrun_error *err)
{
    const char *text = secure_getenv("LIGHT_RUNNER_IMAGE_MAX_BYTES");
    *out = UNPACK_MAX_BYTES;
    uint64_t bytes;
    if (!text)
        return 0;
    if (!text_parse_size(text, &bytes))
        return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
                         "LIGHT_RUNNER_IMAGE_MAX_BYTES: '%.40s' is not a size", text);
    if (bytes < *out)
        *out = bytes;
    return 0;
}

int assembly_begin(struct assembly *a, struct store *store, struct image_feedback *feedback,
                   lrun_error *err)
{
    *a = (struct assembly){
        .staging = {.folder = -1}, .confinement = CONFINEMENT_NONE, .feedback = feedback};
    if (read_limit(&a->max_bytes, err) < 0)
        return -1;
    a->helper = libexec_find("light-runner-unpack", err);
    return a->helper && store_sweep(store, err) == 0 && staging_begin(&a->staging, store, err) == 0
               ? 0
               : -1;
}

void assembly_end(struct assembly *a)
{
    staging_end(&a->staging);
    confinement_close(&a->confinement);
    free(a->helper);
    free(a->high_ids);
    a->helper = a->high_ids = NULL;
}
