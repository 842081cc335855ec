/* SPDX-License-Identifier: MIT */
#include "image/layout_document.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "image/image.h"
#include "image/layout.h"
#include "wire/fields.h"

#include <jansson.h>
#include <string.h>

#define OPERATION "image.layout"

enum { MAX_KEPT = 256 << 10 }; /* of the configuration, as it goes into the index of the store */

static void cleanup_json_ref(json_t **j)
{
    json_decref(*j);
}
#define cleanup_json __attribute__((cleanup(cleanup_json_ref)))

#define invalid(err, ...) error_set(err, LR_IMAGE_INVALID, OPERATION, __VA_ARGS__)

static int put(struct buffer *out, const char *key, const char *value, lr_error *err)
{
    return fields_add(out, key, value) ? 0 : invalid(err, "a document of the image says too much");
}

/* The hex digits of a descriptor's digest, borrowed; NULL when it has none that we know. */
static const char *hex_of_text(const char *digest)
{
    return digest && image_is_digest(digest) ? digest + strlen("sha256:") : NULL;
}

static const char *hex_of(const json_t *descriptor)
{
    return hex_of_text(json_string_value(json_object_get(descriptor, "digest")));
}

/* -------------------------------------------------------------- which image */

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

static int read_index(struct buffer *out, const json_t *document, bool top, lr_error *err)
{
    const json_t *chosen = NULL;
    if (choose(document, top, &chosen, err) < 0)
        return -1;
    const char *hex = hex_of(chosen);
    return hex ? put(out, "next", hex, err)
               : invalid(err, "the image names a document without a SHA-256 digest");
}

static int read_manifest(struct buffer *out, const json_t *document, lr_error *err)
{
    const json_t *config = json_object_get(document, "config"), *item;
    const json_t *layers = json_object_get(document, "layers");
    size_t i;
    if (!json_is_object(config) || !json_is_array(layers))
        return invalid(err, "the image's manifest lacks 'config' or 'layers'");
    if (!hex_of(config))
        return invalid(err, "the image names a document without a SHA-256 digest");
    if (put(out, "config", hex_of(config), err) < 0)
        return -1;
    json_array_foreach(layers, i, item)
    {
        if (!hex_of(item))
            return invalid(err, "the image names a layer without a SHA-256 digest");
        if (put(out, "layer", hex_of(item), err) < 0)
            return -1;
    }
    return 0;
}

static int read_docker(struct buffer *out, const json_t *document, lr_error *err)
{
    if (json_array_size(document) == 0)
        return invalid(err, "there is no image in it");
    if (json_array_size(document) > 1) {
        invalid(err, "there are %zu images in it", json_array_size(document));
        return error_hint(err, "save one image alone");
    }
    const json_t *image = json_array_get(document, 0), *item;
    const json_t *layers = json_object_get(image, "Layers");
    const char *path = json_string_value(json_object_get(image, "Config"));
    size_t i;
    if (!path || !json_is_array(layers))
        return invalid(err, "manifest.json lacks 'Config' or 'Layers'");
    if (put(out, "config", path, err) < 0)
        return -1;
    json_array_foreach(layers, i, item)
    {
        if (!json_is_string(item))
            return invalid(err, "'Layers' of manifest.json is not a list of strings");
        if (put(out, "layer", json_string_value(item), err) < 0)
            return -1;
    }
    return 0;
}

/* -------------------------------------------------------------- sizes */

static uint64_t size_of(const json_t *descriptor)
{
    json_int_t size = json_integer_value(json_object_get(descriptor, "size"));
    return size > 0 ? (uint64_t)size : 0;
}

static int read_total(struct buffer *out, const json_t *document, lr_error *err)
{
    const json_t *layers = json_object_get(document, "layers"), *item, *chosen = NULL;
    uint64_t total = 0;
    size_t i;
    if (json_is_array(json_object_get(document, "manifests")))
        return choose(document, false, &chosen, err) < 0 || !hex_of(chosen)
                   ? -1
                   : put(out, "next", hex_of(chosen), err);
    if (!json_is_array(layers))
        return invalid(err, "neither a manifest nor an index");
    total = size_of(json_object_get(document, "config"));
    json_array_foreach(layers, i, item) total += size_of(item);
    return fields_add_u64(out, "total", total) ? 0 : error_oom(err, OPERATION);
}

/* -------------------------------------------------------------- the configuration */

static int put_text(struct buffer *out, const char *field, const json_t *object, const char *key,
                    lr_error *err)
{
    const json_t *value = json_object_get(object, key);
    if (value && !json_is_null(value) && !json_is_string(value))
        return invalid(err, "'%s' of the image's configuration is not a string", key);
    return put(out, field, json_is_string(value) ? json_string_value(value) : "", err);
}

static int put_list(struct buffer *out, const char *field, const json_t *object, const char *key,
                    lr_error *err)
{
    const json_t *list = json_object_get(object, key), *item;
    size_t i;
    if (!list || json_is_null(list))
        return 0;
    if (!json_is_array(list))
        return invalid(err, "'%s' of the image's configuration is not a list", key);
    json_array_foreach(list, i, item)
    {
        if (!json_is_string(item))
            return invalid(err, "'%s' of the image's configuration is not a list of strings", key);
        if (put(out, field, json_string_value(item), err) < 0)
            return -1;
    }
    return 0;
}

static int read_config(struct buffer *out, const json_t *document, lr_error *err)
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
        put_list(out, "entrypoint", config, "Entrypoint", err) < 0 ||
        put_list(out, "cmd", config, "Cmd", err) < 0 ||
        put_list(out, "env", config, "Env", err) < 0 ||
        put_text(out, "user", config, "User", err) < 0 ||
        put_text(out, "workdir", config, "WorkingDir", err) < 0)
        return -1;
    if (buffer_length(out) > MAX_KEPT)
        return invalid(err, "the image's configuration is larger than %d bytes", MAX_KEPT);
    json_array_foreach(list, i, item)
    {
        if (!hex_of_text(json_string_value(item)))
            return invalid(err, "a layer of the image has no SHA-256 digest");
        if (put(out, "digest", hex_of_text(json_string_value(item)), err) < 0)
            return -1;
    }
    return 0;
}

/* -------------------------------------------------------------- any of them */

int layout_document_read(struct buffer *out, const char *kind, const char *text, size_t length,
                         lr_error *err)
{
    json_error_t where;
    cleanup_json json_t *document = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
    if (!document)
        return invalid(err, "a document of the image is not valid JSON (line %d)", where.line);
    bool top = strcmp(kind, LAYOUT_DOCUMENT_INDEX) == 0;
    if (top || strcmp(kind, LAYOUT_DOCUMENT_BLOB) == 0)
        return json_is_array(json_object_get(document, "manifests"))
                   ? read_index(out, document, top, err)
                   : read_manifest(out, document, err);
    if (strcmp(kind, LAYOUT_DOCUMENT_DOCKER) == 0)
        return read_docker(out, document, err);
    if (strcmp(kind, LAYOUT_DOCUMENT_CONFIG) == 0)
        return read_config(out, document, err);
    if (strcmp(kind, LAYOUT_DOCUMENT_TOTAL) == 0)
        return read_total(out, document, err);
    return error_set(err, LR_INTERNAL, OPERATION, "no kind of document is called '%s'", kind);
}
