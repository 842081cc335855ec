/* SPDX-License-Identifier: MIT */
#include "image/layout.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "image/layout_document.h"
#include "image/unpack.h"
#include "wire/fields.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#define OPERATION "image.layout"

enum { MAX_CANDIDATES = 64 }; /* documents in one index that may be the image */

#define invalid(err, ...) error_set(err, LRUN_IMAGE_INVALID, OPERATION, __VA_ARGS__)

struct reader {
    int folder;
    const struct layout_helpers *helpers;
};

static int open_beneath(int folder, const char *path)
{
    /* O_NONBLOCK: the file may be a fifo, which must not make us wait for a writer. */
    const struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                                 .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, folder, path, &how, sizeof(how));
}

/* Opens a regular file of the folder. Errors show the path, made printable and short. */
static int open_file(const struct reader *r, const char *path, int *out, lrun_error *err)
{
    struct stat st;
    char shown[128];
    snprintf(shown, sizeof(shown), "%s", path);
    text_make_printable(shown);
    cleanup_close int fd = open_beneath(r->folder, path);
    if (fd < 0)
        return error_errno(err, LRUN_IMAGE_INVALID, OPERATION, errno,
                           "cannot open '%s' of the image", shown);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return invalid(err, "'%s' of the image is not a file", shown);
    *out = steal_fd(&fd);
    return 0;
}

/* Puts the fields of a document into *out. `hex`: the digest that it must have, or NULL. */
static int read_document(const struct reader *r, const char *kind, const char *path,
                         const char *hex, struct buffer *out, lrun_error *err)
{
    cleanup_close int fd = -1;
    struct stat st;
    if (open_file(r, path, &fd, err) < 0)
        return -1;
    if (fstat(fd, &st) < 0 || st.st_size > LAYOUT_MAX_DOCUMENT)
        return invalid(err, "a document of the image is larger than %d bytes", LAYOUT_MAX_DOCUMENT);
    char found[IMAGE_HEX_LENGTH + 1];
    const struct layout_helpers *h = r->helpers;
    if (hex && h->digest(h->user, fd, found, err) < 0)
        return -1;
    if (hex && strcmp(hex, found) != 0)
        return invalid(err, "a document of the image does not have the digest sha256:%s", hex);
    if (lseek(fd, 0, SEEK_SET) < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot read a document");
    buffer_clear(out);
    return h->ask(h->user, kind, fd, out, err);
}

static struct frame frame_of(const struct buffer *answer)
{
    return (struct frame){.length = (uint32_t)buffer_length(answer),
                          .payload = buffer_data(answer)};
}

static bool is_hex(const char *value)
{
    return image_hex_length(value) == IMAGE_HEX_LENGTH && !value[IMAGE_HEX_LENGTH];
}

/* Returns a value from the confined reader, or NULL if it is not the hex digits of a digest. */
static const char *hex_at(const struct buffer *answer, const char *key)
{
    struct frame f = frame_of(answer);
    const char *value = fields_get(&f, key);
    return value && is_hex(value) ? value : NULL;
}

static void blob_path(char out[96], const char *hex)
{
    snprintf(out, 96, "blobs/sha256/%.*s", IMAGE_HEX_LENGTH, hex);
}

static int not_understood(lrun_error *err)
{
    return error_set(err, LRUN_INTERNAL, OPERATION,
                     "the reader of the image's documents ended early");
}

/* -------------------------------------------------------------- which image */

static int read_blob(const struct reader *r, const char *kind, const char *hex, struct buffer *out,
                     lrun_error *err)
{
    char path[96], wanted[IMAGE_HEX_LENGTH + 1];
    /* `hex` may point into `out`. */
    snprintf(wanted, sizeof(wanted), "%s", hex);
    blob_path(path, wanted);
    return read_document(r, kind, path, wanted, out, err);
}

/* -------------------------------------------------------------- which manifest */

static bool is_key(const char *key, size_t length, const char *wanted)
{
    return length == strlen(wanted) && memcmp(key, wanted, length) == 0;
}

/* Reads the documents that an index leads to. At most one of them may be an image's; *out becomes
 * the fields of that document. */
static int follow_index(const struct reader *r, struct buffer *out, lrun_error *err)
{
    cleanup_buffer struct buffer index = *out, found;
    buffer_init(out, LAYOUT_DOCUMENT_ANSWER_MAX);
    buffer_init(&found, LAYOUT_DOCUMENT_ANSWER_MAX);
    struct frame f = frame_of(&index);
    const char *at = NULL, *key, *value;
    size_t length, images = 0, count = 0;
    while (images <= 1 && count <= MAX_CANDIDATES && fields_next(&f, &at, &key, &length, &value)) {
        if (!is_key(key, length, "next"))
            continue;
        if (!is_hex(value))
            return not_understood(err);
        if (read_blob(r, LAYOUT_DOCUMENT_BLOB, value, &found, err) < 0)
            return -1;
        const struct frame says = frame_of(&found);
        bool image = !fields_get(&says, "artifact");
        /* Keep an artifact for the error message, in case there is nothing else. */
        if (image || count == 0) {
            struct buffer other = *out;
            *out = found;
            found = other;
        }
        images += image;
        count++;
    }
    if (images <= 1 && count <= MAX_CANDIDATES)
        return 0;
    invalid(err, "it contains several images");
    return error_hint(err, "give the NAME of one of them, or save one image alone");
}

static int check_artifact(const struct buffer *manifest, lrun_error *err)
{
    struct frame f = frame_of(manifest);
    const char *type = fields_get(&f, "artifact");
    char shown[128];
    snprintf(shown, sizeof(shown), "%s", type ? type : "");
    text_make_printable(shown);
    return type ? invalid(err, "this is not the image of a container but an artifact, '%s'", shown)
                : 0;
}

static int find_manifest(const struct reader *r, struct buffer *out, lrun_error *err)
{
    if (read_document(r, LAYOUT_DOCUMENT_INDEX, "index.json", NULL, out, err) < 0)
        return -1;
    for (int i = 0; hex_at(out, "next"); i++) {
        if (i >= LAYOUT_MAX_NESTING)
            return invalid(err, "the image's index is nested too deeply");
        if (follow_index(r, out, err) < 0)
            return -1;
    }
    return check_artifact(out, err);
}

/* -------------------------------------------------------------- what it holds */

static size_t count_of(const struct buffer *answer, const char *wanted)
{
    struct frame f = frame_of(answer);
    const char *at = NULL, *key, *value;
    size_t length, count = 0;
    while (fields_next(&f, &at, &key, &length, &value))
        count += is_key(key, length, wanted);
    return count;
}

/* Puts the values of a key into a list that ends with NULL. *out stays as it is
 * if there are none. */
static int take_list(char ***out, const struct buffer *answer, const char *wanted, lrun_error *err)
{
    struct frame f = frame_of(answer);
    const char *at = NULL, *key, *value;
    size_t length, used = 0, count = count_of(answer, wanted);
    if (count == 0)
        return 0;
    *out = calloc(count + 1, sizeof(**out));
    if (!*out)
        return error_oom(err, OPERATION);
    while (fields_next(&f, &at, &key, &length, &value))
        if (is_key(key, length, wanted) && !((*out)[used++] = strdup(value)))
            return error_oom(err, OPERATION);
    return 0;
}

static int take_text(char **out, const struct buffer *answer, const char *key, lrun_error *err)
{
    struct frame f = frame_of(answer);
    const char *value = fields_get(&f, key);
    *out = strdup(value ? value : "");
    return *out ? 0 : error_oom(err, OPERATION);
}

static int take_configuration(struct layout *l, const struct buffer *answer, size_t layers,
                              lrun_error *err)
{
    size_t count = count_of(answer, "digest");
    if (layers == 0)
        return invalid(err, "the image has no layers");
    if (layers > UNPACK_MAX_LAYERS)
        return invalid(err, "the image has more than %d layers", UNPACK_MAX_LAYERS);
    if (count != layers)
        return invalid(err, "the image has %zu layers, but its configuration lists %zu", layers,
                       count);
    l->layers = calloc(layers, sizeof(*l->layers));
    if (!l->layers)
        return error_oom(err, OPERATION);
    if (take_list(&l->digests, answer, "digest", err) < 0 ||
        take_text(&l->architecture, answer, "architecture", err) < 0 ||
        take_list(&l->image.entrypoint, answer, "entrypoint", err) < 0 ||
        take_list(&l->image.cmd, answer, "cmd", err) < 0 ||
        take_list(&l->image.env, answer, "env", err) < 0 ||
        take_text(&l->image.user, answer, "user", err) < 0 ||
        take_text(&l->image.workdir, answer, "workdir", err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (image_hex_length(l->digests[i]) != IMAGE_HEX_LENGTH)
            return not_understood(err);
    text_make_printable(l->architecture);
    return 0;
}

/* For a layer that must not be redistributed, the image has only a URL. Nothing is fetched from
 * there, because the URL can be anything. */
static int check_elsewhere(const struct buffer *manifest, const char *hex, size_t number,
                           lrun_error *err)
{
    struct frame f = frame_of(manifest);
    const char *at = NULL, *key, *value;
    size_t length;
    while (fields_next(&f, &at, &key, &length, &value))
        if (is_key(key, length, "elsewhere") && strcmp(value, hex) == 0) {
            invalid(err, "layer %zu of the image is not in it but elsewhere (a foreign layer)",
                    number);
            return error_hint(
                err, "docker pull IMAGE; docker save IMAGE | light-runner image import - NAME");
        }
    return -1;
}

static int open_layers(struct layout *l, const struct reader *r, const struct buffer *manifest,
                       bool blobs, lrun_error *err)
{
    struct frame f = frame_of(manifest);
    const char *at = NULL, *key, *value;
    size_t length;
    while (fields_next(&f, &at, &key, &length, &value)) {
        char path[96];
        if (!is_key(key, length, "layer"))
            continue;
        blob_path(path, value);
        if (open_file(r, blobs ? path : value, &l->layers[l->count], err) < 0)
            return check_elsewhere(manifest, value, l->count + 1, err);
        l->count++;
    }
    return 0;
}

static int read_oci(struct layout *l, const struct reader *r, struct buffer *manifest,
                    struct buffer *config, lrun_error *err)
{
    if (find_manifest(r, manifest, err) < 0)
        return -1;
    const char *hex = hex_at(manifest, "config");
    if (!hex)
        return not_understood(err);
    return read_blob(r, LAYOUT_DOCUMENT_CONFIG, hex, config, err) < 0 ||
                   take_configuration(l, config, count_of(manifest, "layer"), err) < 0
               ? -1
               : open_layers(l, r, manifest, true, err);
}

static int read_docker(struct layout *l, const struct reader *r, struct buffer *manifest,
                       struct buffer *config, lrun_error *err)
{
    if (read_document(r, LAYOUT_DOCUMENT_DOCKER, "manifest.json", NULL, manifest, err) < 0)
        return -1;
    struct frame f = frame_of(manifest);
    const char *path = fields_get(&f, "config");
    if (check_artifact(manifest, err) < 0)
        return -1;
    if (!path)
        return not_understood(err);
    return read_document(r, LAYOUT_DOCUMENT_CONFIG, path, NULL, config, err) < 0 ||
                   take_configuration(l, config, count_of(manifest, "layer"), err) < 0
               ? -1
               : open_layers(l, r, manifest, false, err);
}

/* -------------------------------------------------------------- the whole */

enum layout_kind layout_kind(int folder)
{
    static const struct {
        const char *file;
        enum layout_kind kind;
    } signs[] = {
        {"oci-layout", LAYOUT_OCI},
        {"manifest.json", LAYOUT_DOCKER},
        {"repositories", LAYOUT_OLD},
        {"blobs/sha256", LAYOUT_OCI}, /* not every tool writes the file `oci-layout` */
    };
    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
        cleanup_close int fd = open_beneath(folder, signs[i].file);
        if (fd >= 0)
            return signs[i].kind;
    }
    return LAYOUT_NONE;
}

int layout_read(struct layout *out, int folder, const struct layout_helpers *helpers,
                lrun_error *err)
{
    const struct reader r = {folder, helpers};
    cleanup_buffer struct buffer manifest, config;
    buffer_init(&manifest, LAYOUT_DOCUMENT_ANSWER_MAX);
    buffer_init(&config, LAYOUT_DOCUMENT_ANSWER_MAX);
    *out = (struct layout){0};
    enum layout_kind kind = layout_kind(folder);
    if (kind == LAYOUT_OLD) {
        invalid(err, "the image was saved by a Docker before 1.10");
        return error_hint(err, "load it into a newer Docker, and save it again");
    }
    return (kind == LAYOUT_OCI ? read_oci : read_docker)(out, &r, &manifest, &config, err);
}

void layout_free(struct layout *layout)
{
    for (size_t i = 0; i < layout->count; i++)
        close(layout->layers[i]);
    free(layout->layers);
    for (char **d = layout->digests; d && *d; d++)
        free(*d);
    free(layout->digests);
    free(layout->architecture);
    image_free(&layout->image);
    *layout = (struct layout){0};
}
