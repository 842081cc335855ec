/* SPDX-License-Identifier: MIT */
#include "image/index.h"

#include "base/cleanup.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define OPERATION "image.index"

static void cleanup_json_ref(json_t **j)
{
    json_decref(*j);
}
#define cleanup_json __attribute__((cleanup(cleanup_json_ref)))

static int corrupt(lrun_error *err, const char *what)
{
    return error_set(err, LRUN_IO_FAILED, OPERATION, "the image index is corrupt: %s", what);
}

/* -------------------------------------------------------------- reading */

/* Reads a string member. An optional member that is missing becomes "". */
static int read_string(char **out, const json_t *object, const char *key, bool required,
                       lrun_error *err)
{
    const json_t *value = json_object_get(object, key);
    if ((value || required) && !json_is_string(value))
        return corrupt(err, key);
    *out = strdup(value ? json_string_value(value) : "");
    return *out ? 0 : error_oom(err, OPERATION);
}

static int read_list(char ***out, const json_t *object, const char *key, lrun_error *err)
{
    const json_t *value = json_object_get(object, key), *item;
    if (!value || json_is_null(value))
        return 0;
    if (!json_is_array(value))
        return corrupt(err, key);
    size_t i;
    if (json_array_size(value) == 0)
        return 0;
    *out = calloc(json_array_size(value) + 1, sizeof(**out));
    if (!*out)
        return error_oom(err, OPERATION);
    json_array_foreach (value, i, item) {
        if (!json_is_string(item))
            return corrupt(err, key);
        (*out)[i] = strdup(json_string_value(item));
        if (!(*out)[i])
            return error_oom(err, OPERATION);
    }
    return 0;
}

static int read_image(struct image *out, const json_t *entry, lrun_error *err)
{
    char name[IMAGE_NAME_MAX + 1];
    if (!json_is_object(entry))
        return corrupt(err, "an image is not an object");
    if (read_string(&out->name, entry, "name", true, err) < 0 ||
        read_string(&out->digest, entry, "digest", true, err) < 0 ||
        read_string(&out->created, entry, "created", true, err) < 0)
        return -1;
    if (image_name_normalize(name, out->name, NULL) < 0 || strcmp(name, out->name) != 0)
        return corrupt(err, "name");
    if (!image_is_digest(out->digest)) /* it is used as a file name */
        return corrupt(err, "digest");
    const json_t *size = json_object_get(entry, "size");
    if (!json_is_integer(size) || json_integer_value(size) < 0)
        return corrupt(err, "size");
    out->size = (uint64_t)json_integer_value(size);
    const json_t *config = json_object_get(entry, "config");
    if (!json_is_object(config))
        return corrupt(err, "config");
    if (read_list(&out->entrypoint, config, "entrypoint", err) < 0 ||
        read_list(&out->cmd, config, "cmd", err) < 0 ||
        read_list(&out->env, config, "env", err) < 0 ||
        read_string(&out->user, config, "user", false, err) < 0)
        return -1;
    if (read_string(&out->workdir, config, "workdir", false, err) < 0)
        return -1;
    return json_object_get(entry, "high_ids")
               ? read_string(&out->high_ids, entry, "high_ids", true, err)
               : 0;
}

static int read_images(struct index *out, const json_t *list, lrun_error *err)
{
    const json_t *entry;
    size_t i;
    out->images = calloc(json_array_size(list) + 1, sizeof(*out->images));
    if (!out->images)
        return error_oom(err, OPERATION);
    json_array_foreach (list, i, entry) {
        struct image *image = &out->images[out->count++];
        if (read_image(image, entry, err) < 0)
            return -1;
        if (index_find(out, image->name) != image)
            return corrupt(err, "a name occurs twice");
    }
    return 0;
}

int index_parse(struct index *out, const char *text, size_t length, lrun_error *err)
{
    *out = (struct index){0};
    json_error_t where;
    cleanup_json json_t *document = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
    if (!document)
        return corrupt(err, where.text);
    const json_t *version = json_object_get(document, "version");
    if (!json_is_integer(version) || json_integer_value(version) < 1)
        return corrupt(err, "it has no version");
    if (json_integer_value(version) > INDEX_VERSION) {
        error_set(err, LRUN_NOT_SUPPORTED, OPERATION,
                  "the image index has version %lld, and this light-runner reads up to version %d",
                  (long long)json_integer_value(version), INDEX_VERSION);
        return error_hint(err, "use the newer light-runner that wrote it, or another "
                               "LIGHT_RUNNER_DATA_DIR");
    }
    const json_t *list = json_object_get(document, "images");
    if (!json_is_array(list))
        return corrupt(err, "images");
    if (read_images(out, list, err) < 0) {
        index_free(out);
        return -1;
    }
    return 0;
}

/* -------------------------------------------------------------- writing */

static json_t *dump_list(char *const *list)
{
    json_t *array = json_array();
    for (; array && list && *list; list++)
        if (json_array_append_new(array, json_string(*list)) < 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static json_t *dump_image(const struct image *image)
{
    return json_pack("{s:s, s:s, s:I, s:s, s:s*, s:{s:o, s:o, s:o, s:s, s:s}}", "name", image->name,
                     "digest", image->digest, "size", (json_int_t)image->size, "created",
                     image->created, "high_ids", image->high_ids, "config", "entrypoint",
                     dump_list(image->entrypoint), "cmd", dump_list(image->cmd), "env",
                     dump_list(image->env), "user", image->user ? image->user : "", "workdir",
                     image->workdir ? image->workdir : "");
}

char *index_dump(const struct index *index)
{
    cleanup_json json_t *list = json_array();
    for (size_t i = 0; list && i < index->count; i++)
        if (json_array_append_new(list, dump_image(&index->images[i])) < 0)
            return NULL;
    if (!list)
        return NULL;
    cleanup_json json_t *document =
        json_pack("{s:i, s:O}", "version", INDEX_VERSION, "images", list);
    return document ? json_dumps(document, JSON_INDENT(1)) : NULL;
}

/* -------------------------------------------------------------- changing */

struct image *index_find(const struct index *index, const char *name)
{
    for (size_t i = 0; i < index->count; i++)
        if (strcmp(index->images[i].name, name) == 0)
            return &index->images[i];
    return NULL;
}

int index_put(struct index *index, struct image *image, lrun_error *err)
{
    struct image *slot = index_find(index, image->name);
    if (slot) {
        image_free(slot);
    } else {
        struct image *more = realloc(index->images, (index->count + 1) * sizeof(*more));
        if (!more)
            return error_oom(err, OPERATION);
        index->images = more;
        slot = &index->images[index->count++];
    }
    *slot = *image;
    *image = (struct image){0};
    return 0;
}

void index_drop(struct index *index, struct image *image)
{
    size_t at = (size_t)(image - index->images);
    image_free(image);
    memmove(image, image + 1, (index->count - at - 1) * sizeof(*image));
    index->count--;
}

bool index_uses(const struct index *index, const char *digest)
{
    for (size_t i = 0; i < index->count; i++)
        if (strcmp(index->images[i].digest, digest) == 0)
            return true;
    return false;
}

void index_free(struct index *index)
{
    for (size_t i = 0; i < index->count; i++)
        image_free(&index->images[i]);
    free(index->images);
    *index = (struct index){0};
}

static bool copy_string(char **out, const char *from)
{
    *out = strdup(from ? from : "");
    return *out != NULL;
}

static bool copy_list(char ***out, char *const *from)
{
    size_t count = 0;
    while (from && from[count])
        count++;
    if (count == 0)
        return true;
    *out = calloc(count + 1, sizeof(**out));
    for (size_t i = 0; *out && i < count; i++)
        if (!copy_string(&(*out)[i], from[i]))
            return false;
    return *out != NULL;
}

int image_copy(struct image *out, const struct image *from, lrun_error *err)
{
    *out = (struct image){.size = from->size};
    if (copy_string(&out->name, from->name) && copy_string(&out->digest, from->digest) &&
        copy_string(&out->created, from->created) &&
        copy_list(&out->entrypoint, from->entrypoint) && copy_list(&out->cmd, from->cmd) &&
        copy_list(&out->env, from->env) && copy_string(&out->user, from->user) &&
        copy_string(&out->workdir, from->workdir) &&
        (!from->high_ids || copy_string(&out->high_ids, from->high_ids)))
        return 0;
    image_free(out);
    return error_oom(err, OPERATION);
}
