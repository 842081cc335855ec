/* SPDX-License-Identifier: MIT */
#include "image/layout.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "image/unpack.h"

#include <fcntl.h>
#include <jansson.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#define OPERATION "image.layout"

enum {
    MAX_KEPT = 256 << 10, /* of the configuration, as it goes into the index of the store */
    MAX_NESTING = 3,      /* of indexes */
};

static void cleanup_json_ref(json_t **j)
{
    json_decref(*j);
}
#define cleanup_json __attribute__((cleanup(cleanup_json_ref)))

#define invalid(err, ...) error_set(err, LR_IMAGE_INVALID, OPERATION, __VA_ARGS__)

struct reader {
    int folder;
    layout_digest_fn digest;
    void *user;
};

static int open_beneath(int folder, const char *path)
{
    /* Not waiting for anybody, should it be a fifo. */
    const struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                                 .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, folder, path, &how, sizeof(how));
}

/* A regular file of the folder. The path is shown in errors: printable, and short. */
static int open_file(const struct reader *r, const char *path, int *out, lr_error *err)
{
    struct stat st;
    char shown[128];
    snprintf(shown, sizeof(shown), "%s", path);
    text_make_printable(shown);
    cleanup_close int fd = open_beneath(r->folder, path);
    if (fd < 0)
        return error_errno(err, LR_IMAGE_INVALID, OPERATION, errno, "cannot open '%s' of the image",
                           shown);
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return invalid(err, "'%s' of the image is not a file", shown);
    *out = steal_fd(&fd);
    return 0;
}

/* Reads a JSON object or array. `hex`: the digest that it must have, or NULL. */
static int read_document(const struct reader *r, const char *path, const char *hex, json_t **out,
                         lr_error *err)
{
    cleanup_close int fd = -1;
    struct stat st;
    if (open_file(r, path, &fd, err) < 0)
        return -1;
    if (fstat(fd, &st) < 0 || st.st_size > LAYOUT_MAX_DOCUMENT)
        return invalid(err, "a document of the image is larger than %d bytes", LAYOUT_MAX_DOCUMENT);
    char found[IMAGE_HEX_LENGTH + 1];
    if (hex && (r->digest(r->user, fd, found, err) < 0 || lseek(fd, 0, SEEK_SET) < 0))
        return -1;
    if (hex && strcmp(hex, found) != 0)
        return invalid(err, "a document of the image does not have the digest sha256:%s", hex);
    size_t length = (size_t)st.st_size, used = 0;
    cleanup_free char *text = malloc(length + 1);
    if (!text)
        return error_oom(err, OPERATION);
    for (ssize_t n = 1; n > 0 && used<length; used += n> 0 ? (size_t)n : 0)
        n = read(fd, text + used, length - used);
    json_error_t where;
    *out = json_loadb(text, used, JSON_REJECT_DUPLICATES, &where);
    return *out ? 0
                : invalid(err, "a document of the image is not valid JSON (line %d)", where.line);
}

/* The hex digits of a descriptor's digest, borrowed; NULL when it has none that we know. */
static const char *hex_of(const json_t *descriptor)
{
    const char *digest = json_string_value(json_object_get(descriptor, "digest"));
    return digest && image_is_digest(digest) ? digest + strlen("sha256:") : NULL;
}

static void blob_path(char out[96], const char *hex)
{
    snprintf(out, 96, "blobs/sha256/%s", hex);
}

static int read_blob(const struct reader *r, const json_t *descriptor, json_t **out, lr_error *err)
{
    char path[96];
    const char *hex = hex_of(descriptor);
    if (!hex)
        return invalid(err, "the image names a document without a SHA-256 digest");
    blob_path(path, hex);
    return read_document(r, path, hex, out, err);
}

/* -------------------------------------------------------------- which image */

const char *layout_host_architecture(void)
{
    static const char *const names[][2] = {
        {"x86_64", "amd64"}, {"aarch64", "arm64"}, {"armv7l", "arm"},          {"armv6l", "arm"},
        {"i686", "386"},     {"i386", "386"},      {"loongarch64", "loong64"},
    };
    static struct utsname host; /* the same for every caller */
    if (uname(&host) < 0)
        return "";
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(host.machine, names[i][0]) == 0)
            return names[i][1];
    return host.machine; /* riscv64, ppc64le, s390x: the same in both */
}

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* The higher the better; 0: not for this machine. */
static int suits(const json_t *descriptor)
{
    const json_t *platform = json_object_get(descriptor, "platform");
    if (!json_is_object(platform))
        return 1; /* says nothing: perhaps it is */
    const char *variant = text_at(platform, "variant");
    if (strcmp(text_at(platform, "os"), "linux") != 0 ||
        strcmp(text_at(platform, "architecture"), layout_host_architecture()) != 0)
        return 0;
    /* A variant may need more than this processor has, except for the one that all of them are. */
    return *variant == '\0' || strcmp(variant, "v8") == 0 ? 3 : 2;
}

/* `top`: of index.json, where each one is an image of its own; below, they are the same image for
 * several platforms, and the first that suits is taken. */
static int choose(const json_t *index, bool top, const json_t **out, lr_error *err)
{
    const json_t *list = json_object_get(index, "manifests"), *item;
    size_t i, same = 0;
    int best = 0;
    json_array_foreach(list, i, item)
    {
        int value = suits(item);
        if (value > best) {
            best = value;
            same = 0;
            *out = item;
        }
        /* The same manifest under several names is one image. */
        const char *a = hex_of(item), *b = best ? hex_of(*out) : NULL;
        if (value == best && best && !(same && a && b && strcmp(a, b) == 0))
            same++;
    }
    if (json_array_size(list) == 0)
        return invalid(err, "there is no image in it");
    if (best == 0)
        return invalid(err, "the image is not for this machine (linux/%s)",
                       layout_host_architecture());
    if (same > 1 && (top || best == 1)) {
        invalid(err, "there are %zu images in it", same);
        return error_hint(err, "save one image alone");
    }
    return 0;
}

static int find_manifest(const struct reader *r, json_t **out, lr_error *err)
{
    cleanup_json json_t *document = NULL;
    if (read_document(r, "index.json", NULL, &document, err) < 0)
        return -1;
    for (int i = 0; json_is_array(json_object_get(document, "manifests")); i++) {
        const json_t *chosen = NULL;
        json_t *next = NULL;
        if (i >= MAX_NESTING)
            return invalid(err, "the image's index is nested too deeply");
        if (choose(document, i == 0, &chosen, err) < 0 || read_blob(r, chosen, &next, err) < 0)
            return -1;
        json_decref(document);
        document = next;
    }
    *out = steal_ptr(document);
    return 0;
}

static uint64_t size_of(const json_t *descriptor)
{
    json_int_t size = json_integer_value(json_object_get(descriptor, "size"));
    return size > 0 ? (uint64_t)size : 0;
}

int layout_total(const char *text, size_t length, uint64_t *total,
                 char digest[IMAGE_DIGEST_LENGTH + 1])
{
    cleanup_json json_t *document = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
    const json_t *layers = json_object_get(document, "layers"), *item, *chosen = NULL;
    size_t i;
    *total = 0;
    digest[0] = '\0';
    if (json_is_array(json_object_get(document, "manifests"))) {
        if (choose(document, false, &chosen, NULL) < 0 || !hex_of(chosen))
            return -1;
        snprintf(digest, IMAGE_DIGEST_LENGTH + 1, "sha256:%s", hex_of(chosen));
        return 0;
    }
    if (!json_is_array(layers))
        return -1;
    *total = size_of(json_object_get(document, "config"));
    json_array_foreach(layers, i, item) *total += size_of(item);
    return 0;
}

/* -------------------------------------------------------------- what it holds */

static int take_text(char **out, const json_t *object, const char *key, size_t *kept, lr_error *err)
{
    const json_t *value = json_object_get(object, key);
    if (value && !json_is_null(value) && !json_is_string(value))
        return invalid(err, "'%s' of the image's configuration is not a string", key);
    *out = strdup(json_is_string(value) ? json_string_value(value) : "");
    if (!*out)
        return error_oom(err, OPERATION);
    *kept += strlen(*out);
    return 0;
}

static int take_list(char ***out, const json_t *object, const char *key, size_t *kept,
                     lr_error *err)
{
    const json_t *list = json_object_get(object, key), *item;
    size_t i;
    if (!list || json_is_null(list))
        return 0;
    if (!json_is_array(list))
        return invalid(err, "'%s' of the image's configuration is not a list", key);
    if (json_array_size(list) == 0)
        return 0;
    *out = calloc(json_array_size(list) + 1, sizeof(**out));
    if (!*out)
        return error_oom(err, OPERATION);
    json_array_foreach(list, i, item)
    {
        if (!json_is_string(item))
            return invalid(err, "'%s' of the image's configuration is not a list of strings", key);
        (*out)[i] = strdup(json_string_value(item));
        if (!(*out)[i])
            return error_oom(err, OPERATION);
        *kept += strlen((*out)[i]) + 8;
    }
    return 0;
}

static int take_configuration(struct layout *l, const json_t *document, lr_error *err)
{
    const json_t *config = json_object_get(document, "config");
    const char *os = text_at(document, "os");
    size_t kept = 0;
    if (*os && strcmp(os, "linux") != 0) {
        char shown[32];
        snprintf(shown, sizeof(shown), "%s", os);
        text_make_printable(shown);
        return invalid(err, "the image is for %s, not for Linux", shown);
    }
    if (take_text(&l->architecture, document, "architecture", &kept, err) < 0 ||
        take_list(&l->image.entrypoint, config, "Entrypoint", &kept, err) < 0 ||
        take_list(&l->image.cmd, config, "Cmd", &kept, err) < 0 ||
        take_list(&l->image.env, config, "Env", &kept, err) < 0 ||
        take_text(&l->image.user, config, "User", &kept, err) < 0 ||
        take_text(&l->image.workdir, config, "WorkingDir", &kept, err) < 0)
        return -1;
    if (kept > MAX_KEPT)
        return invalid(err, "the image's configuration is larger than %d bytes", MAX_KEPT);
    text_make_printable(l->architecture);
    return 0;
}

static int take_digests(struct layout *l, const json_t *document, size_t layers, lr_error *err)
{
    const json_t *list = json_object_get(json_object_get(document, "rootfs"), "diff_ids"), *item;
    size_t i;
    if (!json_is_array(list))
        return invalid(err, "this is not the image of a container: it has no list of layers");
    if (layers == 0)
        return invalid(err, "the image has no layers");
    if (layers > UNPACK_MAX_LAYERS)
        return invalid(err, "the image has more than %d layers", UNPACK_MAX_LAYERS);
    if (json_array_size(list) != layers)
        return invalid(err, "the image has %zu layers, but its configuration speaks of %zu", layers,
                       json_array_size(list));
    l->layers = calloc(layers, sizeof(*l->layers));
    l->digests = calloc(layers, sizeof(*l->digests));
    if (!l->layers || !l->digests)
        return error_oom(err, OPERATION);
    json_array_foreach(list, i, item)
    {
        const char *digest = json_string_value(item);
        if (!digest || !image_is_digest(digest))
            return invalid(err, "a layer of the image has no SHA-256 digest");
        l->digests[i] = digest + strlen("sha256:");
    }
    return 0;
}

static int open_layer(struct layout *l, const struct reader *r, const char *path, lr_error *err)
{
    if (open_file(r, path, &l->layers[l->count], err) < 0)
        return -1;
    l->count++;
    return 0;
}

/* The image's configuration, which the layout keeps. */
static int take_document(struct layout *l, json_t *config, size_t layers, lr_error *err)
{
    l->document = config;
    return take_digests(l, config, layers, err) < 0 ? -1 : take_configuration(l, config, err);
}

static int read_oci(struct layout *l, const struct reader *r, lr_error *err)
{
    cleanup_json json_t *manifest = NULL;
    json_t *config = NULL, *item;
    size_t i;
    char path[96];
    if (find_manifest(r, &manifest, err) < 0)
        return -1;
    const json_t *layers = json_object_get(manifest, "layers");
    if (!json_is_object(json_object_get(manifest, "config")) || !json_is_array(layers))
        return invalid(err, "the image's manifest lacks 'config' or 'layers'");
    if (read_blob(r, json_object_get(manifest, "config"), &config, err) < 0)
        return -1;
    if (take_document(l, config, json_array_size(layers), err) < 0)
        return -1;
    json_array_foreach(layers, i, item)
    {
        const char *hex = hex_of(item);
        if (!hex)
            return invalid(err, "the image names a layer without a SHA-256 digest");
        blob_path(path, hex);
        if (open_layer(l, r, path, err) < 0)
            return -1;
    }
    return 0;
}

static int read_docker(struct layout *l, const struct reader *r, lr_error *err)
{
    cleanup_json json_t *manifest = NULL;
    json_t *config = NULL, *item;
    size_t i;
    if (read_document(r, "manifest.json", NULL, &manifest, err) < 0)
        return -1;
    if (json_array_size(manifest) == 0)
        return invalid(err, "there is no image in it");
    if (json_array_size(manifest) > 1) {
        invalid(err, "there are %zu images in it", json_array_size(manifest));
        return error_hint(err, "save one image alone");
    }
    const json_t *image = json_array_get(manifest, 0);
    const json_t *layers = json_object_get(image, "Layers");
    const char *path = json_string_value(json_object_get(image, "Config"));
    if (!path || !json_is_array(layers))
        return invalid(err, "manifest.json lacks 'Config' or 'Layers'");
    if (read_document(r, path, NULL, &config, err) < 0)
        return -1;
    if (take_document(l, config, json_array_size(layers), err) < 0)
        return -1;
    json_array_foreach(layers, i, item)
    {
        if (!json_is_string(item))
            return invalid(err, "'Layers' of manifest.json is not a list of strings");
        if (open_layer(l, r, json_string_value(item), err) < 0)
            return -1;
    }
    return 0;
}

/* -------------------------------------------------------------- the whole */

enum layout_kind layout_kind(int folder)
{
    static const char *const files[] = {
        [LAYOUT_NONE] = NULL, [LAYOUT_OCI] = "oci-layout", [LAYOUT_DOCKER] = "manifest.json"};
    for (int kind = LAYOUT_OCI; kind <= LAYOUT_DOCKER; kind++) {
        cleanup_close int fd = open_beneath(folder, files[kind]);
        if (fd >= 0)
            return (enum layout_kind)kind;
    }
    return LAYOUT_NONE;
}

int layout_read(struct layout *out, int folder, layout_digest_fn digest, void *user, lr_error *err)
{
    const struct reader r = {folder, digest, user};
    *out = (struct layout){0};
    return layout_kind(folder) == LAYOUT_OCI ? read_oci(out, &r, err) : read_docker(out, &r, err);
}

void layout_free(struct layout *layout)
{
    for (size_t i = 0; i < layout->count; i++)
        close(layout->layers[i]);
    free(layout->layers);
    free(layout->digests);
    free(layout->architecture);
    image_free(&layout->image);
    json_decref(layout->document);
    *layout = (struct layout){0};
}
