/* SPDX-License-Identifier: MIT */
#include "engine/docker/images.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "engine/docker/image.h"
#include "image/import.h"
#include "image/store.h"

#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* In ms. A daemon sends nothing while it unpacks a large layer. */
enum { LOAD_TIMEOUT = 10 * 60000 };

int docker_images_find(struct engine *e, const char *name, char **digest, lrun_error *err)
{
    cleanup_image struct image image = {0};
    bool found;
    if (docker_image_find(docker_engine_of(e), name, &found, &image, err) < 0)
        return -1;
    *digest = found ? steal_ptr(image.digest) : NULL;
    return 0;
}

static int not_found(const char *name, lrun_error *err)
{
    error_set(err, LRUN_IMAGE_NOT_FOUND, "docker.image", "no image named '%s'", name);
    return error_hint(err, "light-runner image ls shows what is there");
}

int docker_images_describe(struct engine *e, const char *name, struct image *out, lrun_error *err)
{
    bool found;
    if (docker_image_find(docker_engine_of(e), name, &found, out, err) < 0)
        return -1;
    return found ? 0 : not_found(name, err);
}

int docker_images_pull(struct engine *e, const char *name, bool insecure,
                       struct image_feedback *feedback, lrun_error *err)
{
    if (insecure) {
        error_set(err, LRUN_NOT_SUPPORTED, "image.pull",
                  "insecure: the engine docker decides that itself");
        return error_hint(err, "list the registry in /etc/docker/daemon.json under "
                               "\"insecure-registries\"; or use the engine local");
    }
    if (image_is_digest(name)) {
        error_set(err, LRUN_START_FAILED, "image.resolve", "no image named '%s'", name);
        return error_hint(err, "docker image ls shows what is there");
    }
    return docker_image_pull(docker_engine_of(e), name, feedback, err);
}

/* ---------------------------------------------------------------- import */

struct loading {
    struct image_feedback *feedback;
    uint64_t sent;
    char failed[400];
};

static int on_line(void *user, const json_t *line)
{
    struct loading *l = user;
    const char *error = json_string_value(json_object_get(line, "error"));
    if (error) {
        snprintf(l->failed, sizeof(l->failed), "%s", error);
        text_make_printable(l->failed);
    }
    return 0;
}

static int on_tick(void *user)
{
    struct loading *l = user;
    return l->feedback->progress ? l->feedback->progress(l->feedback->user, l->sent) : 0;
}

static int load(struct docker_engine *e, int archive, struct image_feedback *feedback,
                lrun_error *err)
{
    static const char operation[] = "docker.load";
    struct loading l = {.feedback = feedback};
    struct stat st;
    if (fstat(archive, &st) < 0)
        return error_errno(err, LRUN_IO_FAILED, operation, errno, "cannot read the archive");
    feedback->total = (uint64_t)st.st_size;
    const struct http_upload upload = {archive, (uint64_t)st.st_size, &l.sent};
    cleanup_answer struct http_answer answer = {0};
    struct http_request request = {.operation = operation,
                                   .method = "POST",
                                   .upload = &upload,
                                   .timeout_ms = LOAD_TIMEOUT,
                                   .line = on_line,
                                   .tick = on_tick,
                                   .user = &l};
    docker_image_forget(e);
    if (daemon_call(&e->daemon, &request, &answer, err, "/images/load?quiet=1") < 0)
        return -1;
    if (answer.status == 0)
        return error_set(err, LRUN_IO_FAILED, operation, "stopped");
    if (answer.status != 200)
        return daemon_refused(&answer, LRUN_IO_FAILED, operation, "the image cannot be loaded",
                              err);
    return l.failed[0] ? error_set(err, LRUN_IO_FAILED, operation, "the image cannot be loaded: %s",
                                   l.failed)
                       : 0;
}

int docker_images_import(struct engine *e, int fd, const char *name, struct image *out,
                         struct image_feedback *feedback, lrun_error *err)
{
    cleanup_store struct store *store = NULL;
    cleanup_close int archive = -1;
    char normal[IMAGE_NAME_MAX + 1];
    /* Check everything before the work begins. */
    if (image_name_normalize(normal, name, err) < 0 || store_open(&store, true, err) < 0)
        return -1;
    return import_for_docker(store, fd, name, &archive, feedback, err) < 0 ||
                   load(docker_engine_of(e), archive, feedback, err) < 0
               ? -1
               : docker_images_describe(e, normal, out, err);
}

/* ---------------------------------------------------------------- list, remove */

static int add(struct image **list, size_t *count, const json_t *image, const char *name)
{
    const char *id = json_string_value(json_object_get(image, "Id"));
    time_t created = (time_t)json_integer_value(json_object_get(image, "Created"));
    json_int_t size = json_integer_value(json_object_get(image, "Size"));
    struct tm utc;
    char when[32] = ""; /* an image without a time has the year 1 */
    if (!id || !image_is_digest(id) || !gmtime_r(&created, &utc))
        return 0;
    if (created > 0)
        strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &utc);
    struct image *more = realloc(*list, (*count + 1) * sizeof(**list));
    if (!more)
        return -1;
    *list = more;
    struct image *one = &more[(*count)++];
    *one = (struct image){.name = strdup(name),
                          .digest = strdup(id),
                          .size = size > 0 ? (uint64_t)size : 0,
                          .created = strdup(when)};
    return one->name && one->digest && one->created ? 0 : -1;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct image *)a)->name, ((const struct image *)b)->name);
}

int docker_images_list(struct engine *e, struct image **out, size_t *count, lrun_error *err)
{
    static const char operation[] = "docker.images", none[] = "<none>";
    struct http_request request = {.operation = operation, .method = "GET"};
    cleanup_answer struct http_answer answer = {0};
    *out = NULL;
    *count = 0;
    if (daemon_call(&docker_engine_of(e)->daemon, &request, &answer, err, "/images/json") < 0)
        return -1;
    if (answer.status != 200)
        return daemon_refused(&answer, LRUN_ENGINE_UNREACHABLE, operation, "cannot list the images",
                              err);
    size_t i, j;
    json_t *image, *tag;
    json_array_foreach (answer.body, i, image) {
        json_array_foreach (json_object_get(image, "RepoTags"), j, tag) {
            const char *name = json_string_value(tag);
            /* Images without a name can be run, but are not listed. */
            if (!name || strncmp(name, none, strlen(none)) == 0 ||
                add(out, count, image, name) == 0)
                continue;
            store_list_free(*out, *count);
            *out = NULL;
            return error_oom(err, operation);
        }
    }
    if (*count)
        qsort(*out, *count, sizeof(**out), by_name);
    return 0;
}

int docker_images_remove(struct engine *base, const char *name, lrun_error *err)
{
    struct docker_engine *e = docker_engine_of(base);
    struct http_request request = {.operation = "docker.remove", .method = "DELETE"};
    cleanup_answer struct http_answer answer = {0};
    cleanup_free char *escaped = daemon_escape(name);
    if (!escaped)
        return error_oom(err, request.operation);
    docker_image_forget(e);
    if (daemon_call(&e->daemon, &request, &answer, err, "/images/%s", escaped) < 0)
        return -1;
    if (answer.status == 404)
        return not_found(name, err);
    return answer.status == 200 ? 0
                                : daemon_refused(&answer, LRUN_IO_FAILED, request.operation,
                                                 "the image cannot be removed", err);
}

int docker_images_clean(struct engine *e, unsigned *count, lrun_error *err)
{
    return docker_image_clean(&docker_engine_of(e)->daemon, count, err);
}
