/* SPDX-License-Identifier: MIT */
#include "image/pull.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "host/spawn.h"
#include "image/assemble.h"
#include "image/layout.h"
#include "image/layout_document.h"
#include "image/pull_error.h"
#include "image/reference.h"
#include "wire/fields.h"

#include <fcntl.h>
#include <fts.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define OPERATION        "image.pull"
#define PULL_TIMEOUT_MS  (2 * 60 * 60 * 1000)
#define STALL_TIMEOUT_MS (2 * 60 * 1000)
#define ASK_TIMEOUT_MS   (60 * 1000)

/* Inside the staging folder. */
#define LAYOUT    "layout"
#define TEMPORARY "tmp"

extern char **environ;

/* Maximum number of words in one call of skopeo. */
enum { WORDS = 20 };

struct pull {
    struct assembly *assembly;
    const char *reference;
    const char *source; /* docker://... */
    struct confinement calls;
    bool insecure;
    char *auth_file; /* NULL: skopeo uses its own default */
    int64_t moved;   /* when the download last grew */
    uint64_t done;
    bool stalled, too_large;
};

static void pull_free(struct pull *p)
{
    free(p->auth_file);
    confinement_close(&p->calls);
}

/* -------------------------------------------------------------- where skopeo finds its files */

static bool is_there(const char *folder, const char *file)
{
    cleanup_free char *path = folder ? text_path_join(folder, file) : NULL;
    return path && access(path, F_OK) == 0;
}

/* Skopeo refuses to work without a policy. Distributions have one, but not every
 * installation does. */
static bool has_policy(void)
{
    return is_there(secure_getenv("HOME"), ".config/containers/policy.json") ||
           is_there("/etc/containers", "policy.json");
}

/*
 * Docker's client takes its folder from DOCKER_CONFIG, which skopeo does not know. Paths are made
 * absolute, because skopeo runs in another folder.
 */
static int find_auth_file(struct pull *p, lrun_error *err)
{
    const char *file = secure_getenv("REGISTRY_AUTH_FILE"),
               *folder = secure_getenv("DOCKER_CONFIG");
    cleanup_free char *docker = NULL;
    if (folder && asprintf(&docker, "%s/config.json", folder) < 0) {
        docker = NULL;
        return error_oom(err, OPERATION);
    }
    if (file)
        p->auth_file = realpath(file, NULL);
    else if (docker && access(docker, F_OK) == 0)
        p->auth_file = realpath(docker, NULL);
    if (file && !p->auth_file)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "REGISTRY_AUTH_FILE: '%.100s'",
                           file);
    return 0;
}

/* -------------------------------------------------------------- running it */

static uint64_t staging_bytes(const struct pull *p)
{
    char *const start[] = {p->assembly->staging.path, NULL};
    FTS *walk = fts_open(start, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    uint64_t bytes = 0;
    /* Files come and go during the walk; files that cannot be examined are left out. */
    for (FTSENT *e; walk && (e = fts_read(walk));)
        if (e->fts_info == FTS_F)
            bytes += (uint64_t)e->fts_statp->st_size;
    if (walk)
        fts_close(walk);
    return bytes;
}

static int tick(void *user)
{
    struct pull *p = user;
    const struct image_feedback *feedback = p->assembly->feedback;
    uint64_t bytes = staging_bytes(p);
    if (bytes != p->done)
        p->moved = clock_ms();
    p->done = bytes;
    p->stalled = clock_ms() - p->moved > STALL_TIMEOUT_MS;
    p->too_large = bytes > p->assembly->max_bytes;
    if (p->stalled || p->too_large)
        return 1;
    return feedback && feedback->progress ? feedback->progress(feedback->user, bytes) : 0;
}

/* Runs skopeo in the staging folder. output_fd: where its stdout goes; 0: nowhere. */
static int run_skopeo(struct pull *p, const char *const *words, int output_fd, int64_t timeout_ms,
                      lrun_error *err)
{
    const char *argv[WORDS + 8] = {"skopeo", "--tmpdir", TEMPORARY};
    size_t count = 3;
    if (!has_policy())
        argv[count++] = "--insecure-policy";
    for (; *words && count < WORDS; words++)
        argv[count++] = *words;
    struct spawn spawn = {
        .argv = argv,
        .environment = (const char *const *)environ,
        .stdin_fd = -1,
        .output_fd = output_fd,
        .folder = p->assembly->staging.path,
        .max_file_bytes = p->assembly->max_bytes,
        .timeout_ms = timeout_ms,
        /* To read the user's own files with credentials, if root runs this. */
        .capabilities = 1ull << CAP_DAC_OVERRIDE | 1ull << CAP_DAC_READ_SEARCH,
        .calls = &p->calls.walls,
        .tick = tick,
        .user = p,
    };
    struct spawn_result result;
    p->moved = clock_ms();
    if (spawn_run(&spawn, &result, err) < 0) {
        if (p->too_large)
            return error_set(err, LRUN_IMAGE_INVALID, OPERATION,
                             "the image '%.100s' is larger than %llu bytes", p->reference,
                             (unsigned long long)p->assembly->max_bytes);
        if (p->stalled) {
            error_set(err, LRUN_IO_FAILED, OPERATION, "no data of '%.100s' arrived for %d s",
                      p->reference, STALL_TIMEOUT_MS / 1000);
            return error_hint(err, "try again");
        }
        if (err && err->code == LRUN_NOT_SUPPORTED)
            error_hint(err, "apt-get install skopeo");
        return -1;
    }
    if (result.code == SPAWN_KILLED + SIGINT || result.code == SPAWN_KILLED + SIGTERM)
        return error_set(err, LRUN_IO_FAILED, OPERATION, "stopped");
    if (result.code == SPAWN_KILLED + SIGXFSZ)
        return error_set(err, LRUN_IMAGE_INVALID, OPERATION,
                         "a file of the image '%.100s' is larger than %llu bytes", p->reference,
                         (unsigned long long)p->assembly->max_bytes);
    return result.code == 0 ? 0 : pull_error_from_text(result.text, p->reference, err);
}

/* -------------------------------------------------------------- what the registry says of it */

/* Reads a manifest or an index from the registry: *total is the size that a manifest states,
 * `digest` the document that an index leads to, or "". Returns false if that fails. */
static bool ask_for_manifest(struct pull *p, const char *source, uint64_t *total,
                             char digest[IMAGE_DIGEST_LENGTH + 1])
{
    const char *words[WORDS] = {"inspect", "--raw"};
    size_t count = 2;
    if (p->insecure)
        words[count++] = "--tls-verify=false";
    if (p->auth_file) {
        words[count++] = "--authfile";
        words[count++] = p->auth_file;
    }
    words[count] = source;
    cleanup_close int fd = memfd_create("manifest", MFD_CLOEXEC);
    cleanup_buffer struct buffer answer;
    struct stat st;
    buffer_init(&answer, LAYOUT_DOCUMENT_ANSWER_MAX);
    if (fd < 0 || run_skopeo(p, words, fd, ASK_TIMEOUT_MS, NULL) < 0 || fstat(fd, &st) < 0 ||
        st.st_size <= 0 || st.st_size > LAYOUT_MAX_DOCUMENT || lseek(fd, 0, SEEK_SET) < 0 ||
        assembly_ask(p->assembly, LAYOUT_DOCUMENT_TOTAL, fd, &answer, NULL) < 0)
        return false;
    const struct frame f = {.length = (uint32_t)buffer_length(&answer),
                            .payload = buffer_data(&answer)};
    const char *next = fields_get(&f, "next");
    *total = 0;
    (void)fields_get_u64(&f, "total", total);
    snprintf(digest, IMAGE_DIGEST_LENGTH + 1, "%s%.*s", next ? "sha256:" : "", IMAGE_HEX_LENGTH,
             next ? next : "");
    return true;
}

/* Returns the manifest with that digest in the same repository, in skopeo's form, malloc'd;
 * NULL if out of memory. */
static char *source_of_digest(const struct pull *p, const char *digest)
{
    cleanup_free char *reference = NULL;
    size_t name = strcspn(p->reference, "@");
    if (asprintf(&reference, "%.*s@%s", (int)name, p->reference, digest) < 0) {
        reference = NULL;
        return NULL;
    }
    return reference_for_skopeo(reference);
}

/*
 * Follows the reference through indexes to a manifest. *total is the size that the manifest states.
 * *source is where the manifest is, or NULL if the reference itself leads to it. The registry's
 * answers are used for nothing else. Returns false if that fails.
 */
static bool find_manifest(struct pull *p, uint64_t *total, char **source)
{
    for (int i = 0; i <= LAYOUT_MAX_NESTING; i++) {
        char digest[IMAGE_DIGEST_LENGTH + 1] = "";
        if (!ask_for_manifest(p, *source ? *source : p->source, total, digest))
            return false;
        if (!digest[0])
            return true;
        char *next = image_is_digest(digest) ? source_of_digest(p, digest) : NULL;
        if (!next)
            return false;
        free(*source);
        *source = next;
    }
    return false;
}

/* Only for the progress bar, so it may fail. Then there is no bar, and the download
 * reports the error. */
static uint64_t ask_for_total(struct pull *p)
{
    cleanup_free char *source = NULL;
    uint64_t total = 0;
    return find_manifest(p, &total, &source) ? total : 0;
}

/* -------------------------------------------------------------- the whole */

static int copy(struct pull *p, const char *source, lrun_error *err)
{
    /* Converts any manifest to an OCI manifest; the layers stay as they are. */
    const char *words[WORDS] = {"copy",
                                "--quiet",
                                "--format",
                                "oci",
                                "--dest-oci-accept-uncompressed-layers",
                                "--remove-signatures"};
    size_t count = 6;
    if (p->insecure)
        words[count++] = "--src-tls-verify=false";
    if (p->auth_file) {
        words[count++] = "--src-authfile";
        words[count++] = p->auth_file;
    }
    words[count++] = source;
    words[count] = "oci:" LAYOUT;
    return run_skopeo(p, words, 0, PULL_TIMEOUT_MS, err);
}

/* Skopeo does not find every image in an index: it supports neither an index in an index
 * nor the variant "v1". */
static int download(struct pull *p, lrun_error *err)
{
    lrun_error failure = {0};
    cleanup_free char *source = NULL;
    uint64_t total;
    if (copy(p, p->source, &failure) == 0)
        return 0;
    if (pull_error_is_of_index(&failure) && find_manifest(p, &total, &source) && source)
        return copy(p, source, err);
    if (err)
        *err = failure;
    return -1;
}

static int pull_into(struct assembly *a, const char *reference, const struct pull_options *options,
                     lrun_error *err)
{
    cleanup_free char *source = reference_for_skopeo(reference);
    __attribute__((cleanup(pull_free))) struct pull p = {
        .assembly = a,
        .reference = reference,
        .source = source,
        .calls = CONFINEMENT_NONE,
        .insecure = (options && options->insecure) || reference_is_loopback(reference),
    };
    if (!source)
        return error_oom(err, OPERATION);
    if (mkdirat(a->staging.folder, TEMPORARY, 0700) < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot make a folder");
    if (find_auth_file(&p, err) < 0 || confinement_open_calls(&p.calls, a->staging.store, err) < 0)
        return -1;
    if (a->feedback && a->feedback->want_total)
        a->feedback->total = ask_for_total(&p);
    return download(&p, err);
}

int pull_image(struct store *store, const char *reference, const struct pull_options *options,
               struct image *out, struct image_feedback *feedback, lrun_error *err)
{
    char normal[IMAGE_NAME_MAX + 1];
    cleanup_image struct image config = {0};
    cleanup_assembly struct assembly a = ASSEMBLY_NONE;
    *out = (struct image){0};
    if (image_name_normalize(normal, reference, err) < 0 ||
        assembly_begin(&a, store, feedback, err) < 0 || pull_into(&a, normal, options, err) < 0)
        return -1;
    cleanup_close int folder =
        openat(a.staging.folder, LAYOUT, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot open the pulled image");
    if (assembly_unpack_layers(&a, folder, &config, err) < 0)
        return -1;
    (void)staging_remove_tree(a.staging.folder, LAYOUT);
    return assembly_store(&a, normal, &config, out, err);
}
