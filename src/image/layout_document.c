/* SPDX-License-Identifier: MIT */
#include "image/layout_document.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "image/image.h"
#include "wire/fields.h"

#include <jansson.h>
#include <string.h>

#define OPERATION "image.layout"

/* Limit on the part of the configuration that goes into the store's index. */
enum { MAX_KEPT = 256 << 10 };

static void cleanup_json_ref(json_t **j)
{
    json_decref(*j);
}
#define cleanup_json __attribute__((cleanup(cleanup_json_ref)))

#define invalid(err, ...) error_set(err, LRUN_IMAGE_INVALID, OPERATION, __VA_ARGS__)

static int put(struct buffer *out, const char *key, const char *value, lrun_error *err)
{
    return fields_add(out, key, value) ? 0 : invalid(err, "a document of the image is too large");
}

/* Returns the text of a string, borrowed; NULL for anything else, and for a string
 * that contains a NUL. */
static const char *plain_text(const json_t *value)
{
    const char *text = json_string_value(value);
    return text && strlen(text) == json_string_length(value) ? text : NULL;
}

/* Returns the hex digits of a descriptor's digest, borrowed; NULL if it has no
 * digest that we know. */
static const char *hex_of_text(const char *digest)
{
    return digest && image_is_digest(digest) ? digest + strlen("sha256:") : NULL;
}

static const char *hex_of(const json_t *descriptor)
{
    return hex_of_text(plain_text(json_object_get(descriptor, "digest")));
}

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = plain_text(json_object_get(object, key));
    return text ? text : "";
}

/* Whether the text is empty or in the list, which ends with NULL. */
static bool is_one_of(const char *text, const char *const *list)
{
    while (*text && *list && strcmp(text, *list) != 0)
        list++;
    return !*text || *list;
}

/* Types of an image's configuration, or of the manifest that has it. */
static const char *const image_types[] = {
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
    "application/octet-stream", /* from before the type had a name */
    NULL,
};

/* -------------------------------------------------------------- which image */

/*
 * Registries and builders put signatures, attestations and bills of materials into the index
 * of an image. This function recognizes some of them; others turn out to be artifacts when
 * their manifest is read.
 */
static bool is_beside(const json_t *descriptor)
{
    static const char *const manifests[] = {
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        NULL,
    };
    return json_object_get(json_object_get(descriptor, "annotations"),
                           "vnd.docker.reference.type") ||
           !is_one_of(text_at(descriptor, "mediaType"), manifests) ||
           !is_one_of(text_at(descriptor, "artifactType"), image_types);
}

/* Rates a descriptor. Higher is better; 0: not for this machine, or not an image. */
static int suits(const json_t *descriptor)
{
    /* A variant may need more than this processor has. Every processor supports these variants. */
    static const char *const every[] = {"amd64/v1", "arm64/v8", NULL};
    const json_t *platform = json_object_get(descriptor, "platform");
    char name[32];
    if (is_beside(descriptor))
        return 0;
    if (!json_is_object(platform))
        return 1; /* it does not say: it may suit */
    const char *variant = text_at(platform, "variant");
    if (strcmp(text_at(platform, "os"), "linux") != 0 ||
        strcmp(text_at(platform, "architecture"), image_host_architecture()) != 0)
        return 0;
    snprintf(name, sizeof(name), "%s/%.8s", image_host_architecture(), variant);
    /* os.features: there are layers that not every engine can read. */
    return (!*variant || is_one_of(name, every)) &&
                   json_array_size(json_object_get(platform, "os.features")) == 0
               ? 3
               : 2;
}

/* Drops the prefixes that all names of Docker Hub share. */
static const char *short_name(const char *name)
{
    static const char *const common[] = {"docker.io/", "library/"};
    for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
        if (strncmp(name, common[i], strlen(common[i])) == 0)
            name += strlen(common[i]);
    return name;
}

static bool is_name(const json_t *value, const char *name)
{
    const char *text = plain_text(value);
    return text && name && strcmp(short_name(text), short_name(name)) == 0;
}

static bool is_named(const json_t *descriptor, const char *name)
{
    const json_t *notes = json_object_get(descriptor, "annotations");
    return is_name(json_object_get(notes, "io.containerd.image.name"), name) ||
           is_name(json_object_get(notes, "org.opencontainers.image.ref.name"), name);
}

/*
 * Adds the document that the index leads to; adds several if only their contents tell which of them
 * is the image. With `top`, the index is index.json, in which each document is an image of its own.
 * In other indexes, all documents are the same image for several platforms, and the first suitable
 * document is used.
 */
static int read_index(struct buffer *out, const json_t *index, bool top, const char *name,
                      lrun_error *err)
{
    const json_t *list = json_object_get(index, "manifests"), *item;
    const char *last = NULL;
    size_t i;
    int best = 0;
    bool named = false;
    json_array_foreach (list, i, item)
        best = suits(item) > best ? suits(item) : best;
    json_array_foreach (list, i, item)
        named |= suits(item) == best && is_named(item, name);
    if (json_array_size(list) == 0)
        return invalid(err, "it contains no image");
    if (best == 0)
        return invalid(err, "the image is not for this machine (linux/%s)",
                       image_host_architecture());
    json_array_foreach (list, i, item) {
        const char *hex = suits(item) == best ? hex_of(item) : NULL;
        if (suits(item) != best || (named && !is_named(item, name)) || (last && !top && best > 1))
            continue;
        if (!hex)
            return invalid(err, "the image names a document without a SHA-256 digest");
        /* Several names of the same manifest are one image. */
        if (last && strcmp(last, hex) == 0)
            continue;
        last = hex;
        if (put(out, "next", hex, err) < 0)
            return -1;
    }
    return 0;
}

/* Returns the artifact type of a manifest, or NULL if the manifest is an image's. */
static const char *artifact_type(const json_t *manifest)
{
    const char *config = text_at(json_object_get(manifest, "config"), "mediaType");
    const json_t *layers = json_object_get(manifest, "layers"), *item;
    const char *type = text_at(manifest, "artifactType");
    size_t i;
    if (!is_one_of(type, image_types))
        return type;
    if (!is_one_of(config, image_types))
        return config;
    /* Signatures of cosign have an image's configuration, so the layers decide. */
    json_array_foreach (layers, i, item) {
        type = text_at(item, "mediaType");
        if (!*type || strstr(type, "tar"))
            return NULL;
    }
    return json_array_size(layers) > 0 ? type : NULL;
}

/* Only a tar can be unpacked, and only a layer in the image can be read. */
static int put_layer(struct buffer *out, const json_t *layer, size_t number, lrun_error *err)
{
    const char *type = text_at(layer, "mediaType");
    if (!hex_of(layer))
        return invalid(err, "the image names a layer without a SHA-256 digest");
    if (strstr(type, "+encrypted")) {
        invalid(err, "layer %zu of the image is encrypted", number);
        return error_hint(err, "skopeo copy --decryption-key KEY docker://IMAGE oci-archive:FILE, "
                               "then light-runner image import FILE");
    }
    if (*type && !strstr(type, "tar")) {
        char shown[128];
        snprintf(shown, sizeof(shown), "%s", type);
        text_make_printable(shown);
        return invalid(err, "layer %zu of the image is not a tar but '%s'", number, shown);
    }
    if (json_array_size(json_object_get(layer, "urls")) > 0 &&
        put(out, "elsewhere", hex_of(layer), err) < 0)
        return -1;
    return put(out, "layer", hex_of(layer), err);
}

static int read_manifest(struct buffer *out, const json_t *document, lrun_error *err)
{
    const json_t *config = json_object_get(document, "config"), *item;
    const json_t *layers = json_object_get(document, "layers");
    size_t i;
    if (!json_is_object(config) || !json_is_array(layers))
        return invalid(err, "the image's manifest lacks 'config' or 'layers'");
    if (artifact_type(document))
        return put(out, "artifact", artifact_type(document), err);
    if (!hex_of(config))
        return invalid(err, "the image names a document without a SHA-256 digest");
    if (put(out, "config", hex_of(config), err) < 0)
        return -1;
    json_array_foreach (layers, i, item)
        if (put_layer(out, item, i + 1, err) < 0)
            return -1;
    return 0;
}

static bool is_same(const json_t *a, const json_t *b, const char *key)
{
    return json_equal(json_object_get(a, key), json_object_get(b, key)) ||
           (!json_object_get(a, key) && !json_object_get(b, key));
}

/* Returns the image with that name, or NULL. */
static const json_t *find_named(const json_t *images, const char *name)
{
    const json_t *image, *tag;
    size_t i, t;
    json_array_foreach (images, i, image)
        json_array_foreach (json_object_get(image, "RepoTags"), t, tag)
            if (is_name(tag, name))
                return image;
    return NULL;
}

static int read_docker(struct buffer *out, const json_t *document, const char *name,
                       lrun_error *err)
{
    if (json_is_object(
            document)) /* skopeo's form `dir`: a manifest, beside files that are named by digest */
        return read_manifest(out, document, err);
    if (json_array_size(document) == 0)
        return invalid(err, "it contains no image");
    const json_t *named = find_named(document, name), *item;
    const json_t *image = named ? named : json_array_get(document, 0);
    size_t i;
    json_array_foreach (document, i, item) {
        if (named || (is_same(item, image, "Config") && is_same(item, image, "Layers")))
            continue; /* the same image under another name */
        invalid(err, "it contains several images");
        return error_hint(err, "give the NAME of one of them, or save one image alone");
    }
    const json_t *layers = json_object_get(image, "Layers");
    const char *path = plain_text(json_object_get(image, "Config"));
    if (!path || !json_is_array(layers))
        return invalid(err, "manifest.json lacks 'Config' or 'Layers'");
    if (put(out, "config", path, err) < 0)
        return -1;
    json_array_foreach (layers, i, item) {
        if (!plain_text(item))
            return invalid(err, "'Layers' of manifest.json is not a list of strings");
        if (put(out, "layer", plain_text(item), err) < 0)
            return -1;
    }
    return 0;
}

/* -------------------------------------------------------------- sizes */

static uint64_t size_of(const json_t *descriptor)
{
    double size = json_number_value(json_object_get(descriptor, "size"));
    return size > 0 && size < 1e18 ? (uint64_t)size : 0;
}

static int read_total(struct buffer *out, const json_t *document, lrun_error *err)
{
    const json_t *layers = json_object_get(document, "layers"), *item;
    uint64_t total = 0;
    size_t i;
    if (json_is_array(json_object_get(document, "manifests")))
        return read_index(out, document, false, NULL, err);
    if (!json_is_array(layers))
        return invalid(err, "neither a manifest nor an index");
    total = size_of(json_object_get(document, "config"));
    json_array_foreach (layers, i, item)
        total += size_of(item);
    return fields_add_u64(out, "total", total) ? 0 : error_oom(err, OPERATION);
}

/* -------------------------------------------------------------- the configuration */

static int put_text(struct buffer *out, const char *field, const json_t *object, const char *key,
                    lrun_error *err)
{
    const json_t *value = json_object_get(object, key);
    if (value && !json_is_null(value) && !plain_text(value))
        return invalid(err, "'%s' of the image's configuration is not a string", key);
    return put(out, field, text_at(object, key), err);
}

/* With `word`, a single string counts as a list of one, as in Docker's first images. */
static int put_list(struct buffer *out, const char *field, const json_t *object, const char *key,
                    bool word, lrun_error *err)
{
    const json_t *list = json_object_get(object, key), *item;
    size_t i;
    if (!list || json_is_null(list))
        return 0;
    if (word && plain_text(list))
        return put(out, field, plain_text(list), err);
    if (!json_is_array(list))
        return invalid(err, "'%s' of the image's configuration is not a list", key);
    json_array_foreach (list, i, item) {
        if (!plain_text(item))
            return invalid(err, "'%s' of the image's configuration is not a list of strings", key);
        if (put(out, field, plain_text(item), err) < 0)
            return -1;
    }
    return 0;
}

static int read_config(struct buffer *out, const json_t *document, lrun_error *err)
{
    const json_t *config = json_object_get(document, "config"), *item;
    const json_t *list = json_object_get(json_object_get(document, "rootfs"), "diff_ids");
    const char *os = text_at(document, "os");
    size_t i;
    if (!json_is_array(list))
        return invalid(err, "this is not the image of a container: it has no list of layers");
    if (*os && strcmp(os, "linux") != 0)
        return invalid(err, "the image is for %.31s, not for Linux", os);
    if (put_text(out, "architecture", document, "architecture", err) < 0 ||
        put_list(out, "entrypoint", config, "Entrypoint", true, err) < 0 ||
        put_list(out, "cmd", config, "Cmd", true, err) < 0 ||
        put_list(out, "env", config, "Env", false, err) < 0 ||
        put_text(out, "user", config, "User", err) < 0 ||
        put_text(out, "workdir", config, "WorkingDir", err) < 0)
        return -1;
    if (buffer_length(out) > MAX_KEPT)
        return invalid(err, "the image's configuration is larger than %d bytes", MAX_KEPT);
    json_array_foreach (list, i, item) {
        if (!hex_of_text(plain_text(item)))
            return invalid(err, "a layer of the image has no SHA-256 digest");
        if (put(out, "digest", hex_of_text(plain_text(item)), err) < 0)
            return -1;
    }
    return 0;
}

/* -------------------------------------------------------------- any of them */

int layout_document_read(struct buffer *out, const char *kind, const char *name, const char *text,
                         size_t length, lrun_error *err)
{
    /* Fields that we do not use may contain any text and any number. */
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL;
    json_error_t where;
    cleanup_json json_t *document = json_loadb(text, length, flags, &where);
    if (!document)
        return invalid(err, "a document of the image is not valid JSON (line %d)", where.line);
    bool top = strcmp(kind, LAYOUT_DOCUMENT_INDEX) == 0;
    if (top || strcmp(kind, LAYOUT_DOCUMENT_BLOB) == 0)
        return json_is_array(json_object_get(document, "manifests"))
                   ? read_index(out, document, top, name, err)
                   : read_manifest(out, document, err);
    if (strcmp(kind, LAYOUT_DOCUMENT_DOCKER) == 0)
        return read_docker(out, document, name, err);
    if (strcmp(kind, LAYOUT_DOCUMENT_CONFIG) == 0)
        return read_config(out, document, err);
    if (strcmp(kind, LAYOUT_DOCUMENT_TOTAL) == 0)
        return read_total(out, document, err);
    return error_set(err, LRUN_INTERNAL, OPERATION, "unknown kind of document '%s'", kind);
}
