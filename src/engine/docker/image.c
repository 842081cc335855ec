/* SPDX-License-Identifier: MIT */
#include "engine/docker/image.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "engine/docker/auth.h"
#include "engine/docker/container.h"
#include "json/check.h"

#include <string.h>

/* The maximum length of the name of a repository or an image. */
enum { NAME_MAX_LENGTH = 512 };

/* ---------------------------------------------------------------- looking */

static int invalid(const char *name, const char *what, lrun_error *err)
{
    return error_set(err, LRUN_IMAGE_INVALID, "docker.image", "the image '%.100s': %s", name, what);
}

static int read_words(char ***out, const json_t *list, const char *name, lrun_error *err)
{
    if (!list || json_is_null(list))
        return 0;
    size_t count = json_array_size(list);
    char **words = json_is_array(list) ? calloc(count + 1, sizeof(*words)) : NULL;
    if (!words)
        return invalid(name, "its configuration cannot be parsed", err);
    for (size_t i = 0; i < count; i++) {
        const char *word = json_string_value(json_array_get(list, i));
        words[i] = word ? strdup(word) : NULL;
        if (!words[i]) {
            check_free_strings(words);
            return invalid(name, "its configuration cannot be parsed", err);
        }
    }
    *out = words;
    return 0;
}

static int read_config(struct image *out, const json_t *config, const char *name, lrun_error *err)
{
    const char *user = json_string_value(json_object_get(config, "User"));
    const char *workdir = json_string_value(json_object_get(config, "WorkingDir"));
    out->user = strdup(user ? user : "");
    out->workdir = strdup(workdir ? workdir : "");
    if (!out->user || !out->workdir)
        return error_oom(err, "docker.image");
    if (read_words(&out->entrypoint, json_object_get(config, "Entrypoint"), name, err) < 0 ||
        read_words(&out->cmd, json_object_get(config, "Cmd"), name, err) < 0 ||
        read_words(&out->env, json_object_get(config, "Env"), name, err) < 0)
        return -1;
    return 0;
}

/* Whether docker_image_commit() gave the image this name. Podman adds a registry to it: the
 * registry of short names in Docker's API, or Podman's own for images that it has made. */
static bool is_setup_name(const char *name)
{
    static const char *const registries[] = {"docker.io/", "localhost/"};
    static const char prefix[] = ENGINE_SETUP_REPOSITORY ":";
    for (size_t i = 0; name && i < sizeof(registries) / sizeof(registries[0]); i++) {
        if (strncmp(name, registries[i], strlen(registries[i])) == 0) {
            name += strlen(registries[i]);
            break;
        }
    }
    return name && strncmp(name, prefix, strlen(prefix)) == 0;
}

static bool is_setup_image(const json_t *document)
{
    size_t i;
    const json_t *tag;
    json_array_foreach (json_object_get(document, "RepoTags"), i, tag) {
        if (is_setup_name(json_string_value(tag)))
            return true;
    }
    return false;
}

static int read_image(struct image *out, const json_t *document, const char *name, lrun_error *err)
{
    cleanup_image struct image image = {0};
    const char *id = json_string_value(json_object_get(document, "Id"));
    const char *created = json_string_value(json_object_get(document, "Created"));
    json_int_t size = json_integer_value(json_object_get(document, "Size"));
    const json_t *config = json_object_get(document, "Config");
    const char *kept = json_string_value(
        json_object_get(json_object_get(config, "Labels"), CONTAINER_CONFIG_LABEL));
    json_t *own = kept && is_setup_image(document) ? json_loads(kept, 0, NULL) : NULL;
    if (!id || !image_is_digest(id)) {
        json_decref(own);
        return invalid(name, "the Docker daemon returned no id", err);
    }
    image.name = strdup(name);
    image.digest = strdup(id);
    image.created = strdup(created ? created : "");
    image.size = size > 0 ? (uint64_t)size : 0;
    int rc = image.name && image.digest && image.created
                 ? read_config(&image, own ? own : config, name, err)
                 : error_oom(err, "docker.image");
    json_decref(own);
    if (rc == 0) {
        *out = image;
        image = (struct image){0};
    }
    return rc;
}

static void remember(struct docker_engine *e, const char *name, json_t *document)
{
    docker_image_forget(e);
    e->last.name = strdup(name);
    if (e->last.name)
        e->last.document = json_incref(document);
}

int docker_image_find(struct docker_engine *e, const char *name, bool *found, struct image *image,
                      lrun_error *err)
{
    /* `name` is an image's id, or the first digits of an id, or a name. */
    char normal[IMAGE_NAME_MAX + 1];
    if (!image_is_digest(name) && image_hex_length(name) < IMAGE_PREFIX_MIN &&
        image_name_normalize(normal, name, err) < 0)
        return -1;
    *found = true;
    if (e->last.document && strcmp(e->last.name, name) == 0)
        return image ? read_image(image, e->last.document, name, err) : 0;
    cleanup_free char *escaped = daemon_escape(name);
    cleanup_answer struct http_answer answer = {0};
    struct http_request request = {.operation = "docker.image", .method = "GET"};
    if (!escaped)
        return error_oom(err, request.operation);
    if (daemon_call(&e->daemon, &request, &answer, err, "/images/%s/json", escaped) < 0)
        return -1;
    *found = answer.status == 200;
    if (answer.status == 404)
        return 0;
    if (answer.status == 400)
        return daemon_refused(&answer, LRUN_INVALID_ARGUMENT, request.operation, "image", err);
    if (!*found || !answer.body)
        return daemon_refused(&answer, LRUN_IMAGE_INVALID, request.operation,
                              "the image cannot be looked at", err);
    remember(e, name, answer.body);
    return image ? read_image(image, answer.body, name, err) : 0;
}

void docker_image_forget(struct docker_engine *e)
{
    free(steal_ptr(e->last.name));
    json_decref(steal_ptr(e->last.document));
}

json_t *docker_image_volumes(const struct docker_engine *e)
{
    return json_object_get(json_object_get(e->last.document, "Config"), "Volumes");
}

/* ---------------------------------------------------------------- pulling */

struct pulling {
    struct image_feedback *feedback;
    json_t *layers; /* {id: [done, total]} */
    uint64_t done;
    char failed[400];
    bool stopped;
};

static int tick(void *user)
{
    struct pulling *p = user;
    p->stopped = p->feedback->progress && p->feedback->progress(p->feedback->user, p->done) != 0;
    return p->stopped;
}

/* A line is {"error": "..."}, or
 * {"status": "Downloading", "id": "...", "progressDetail": {"current": 1, "total": 2}}. */
static int on_line(void *user, const json_t *line)
{
    struct pulling *p = user;
    const char *error = json_string_value(json_object_get(line, "error"));
    const char *id = json_string_value(json_object_get(line, "id"));
    const char *status = json_string_value(json_object_get(line, "status"));
    const json_t *detail = json_object_get(line, "progressDetail");
    if (error) {
        snprintf(p->failed, sizeof(p->failed), "%s", error);
        text_make_printable(p->failed);
    }
    /* The daemon reports each layer's download, then its unpacking. The download
     * takes most of the time. */
    if (!id || !status || strcmp(status, "Downloading") != 0 || json_object_size(p->layers) > 1000)
        return 0;
    json_int_t current = json_integer_value(json_object_get(detail, "current"));
    json_int_t total = json_integer_value(json_object_get(detail, "total"));
    json_object_set_new(p->layers, id,
                        json_pack("[I,I]", current, total > current ? total : current));
    const char *key;
    json_t *layer;
    p->done = p->feedback->total = 0;
    json_object_foreach (p->layers, key, layer) {
        p->done += (uint64_t)json_integer_value(json_array_get(layer, 0));
        p->feedback->total += (uint64_t)json_integer_value(json_array_get(layer, 1));
    }
    return 0;
}

/* Returns the tag of "host:5000/name:tag": the text after the last colon. NULL: there is no colon,
 * or a slash follows it. */
static const char *tag_of(const char *name)
{
    const char *colon = strrchr(name, ':');
    return colon && !strchr(colon, '/') ? colon + 1 : NULL;
}

/* Adds a tag if there is none, because otherwise the daemon would pull all tags. */
static char *pull_query(const char *name)
{
    cleanup_free char *escaped = daemon_escape(name);
    bool complete = strchr(name, '@') || tag_of(name);
    char *query = NULL;
    if (!escaped || asprintf(&query, "/images/create?fromImage=%s%s", escaped,
                             complete ? "" : "&tag=latest") < 0)
        return NULL;
    return query;
}

int docker_image_pull(struct docker_engine *e, const char *name, struct image_feedback *feedback,
                      lrun_error *err)
{
    static const char operation[] = "docker.pull";
    struct pulling p = {.feedback = feedback, .layers = json_object()};
    cleanup_free char *query = pull_query(name), *header = NULL;
    cleanup_answer struct http_answer answer = {0};
    struct http_request request = {
        .operation = operation, .method = "POST", .line = on_line, .tick = tick, .user = &p};
    docker_image_forget(e);
    int rc = query && p.layers ? auth_header(&header, name, err) : error_oom(err, operation);
    request.header = header;
    if (rc == 0)
        rc = daemon_call(&e->daemon, &request, &answer, err, "%s", query);
    json_decref(p.layers);
    if (rc < 0 || p.stopped)
        return -1;
    if (answer.status >= 400) {
        daemon_refused(&answer, LRUN_IMAGE_NOT_FOUND, operation, "it cannot be pulled", err);
    } else if (p.failed[0]) {
        error_set(err, LRUN_IMAGE_NOT_FOUND, operation, "it cannot be pulled: %s", p.failed);
    } else {
        return 0;
    }
    return error_hint(err, "check the name; if the registry wants a password: docker login");
}

/* ---------------------------------------------------------------- commit */

static json_t *words_json(char *const *words)
{
    json_t *list = words ? json_array() : json_null();
    for (; words && *words; words++)
        json_array_append_new(list, json_string(*words));
    return list;
}

char *docker_image_config(const struct image *image)
{
    json_t *own = json_pack("{so,so,so,ss,ss}", "Entrypoint", words_json(image->entrypoint), "Cmd",
                            words_json(image->cmd), "Env", words_json(image->env), "User",
                            image->user ? image->user : "", "WorkingDir",
                            image->workdir ? image->workdir : "");
    char *text = own ? json_dumps(own, JSON_COMPACT) : NULL;
    json_decref(own);
    return text;
}

int docker_image_commit(struct daemon *d, const char *container, const char *name, lrun_error *err)
{
    struct http_request request = {
        .operation = "docker.commit", .method = "POST", .timeout_ms = 30 * 60000};
    cleanup_answer struct http_answer answer = {0};
    char repository[NAME_MAX_LENGTH];
    const char *tag = tag_of(name);
    int n = snprintf(repository, sizeof(repository), "%.*s",
                     (int)(tag ? tag - name - 1 : (int)strlen(name)), name);
    /* Clear the run's labels, so that a container of the new image does not look like the run's. */
    request.body =
        n < 0 || (size_t)n >= sizeof(repository)
            ? NULL
            : json_pack("{s{ss,ss}}", "Labels", CONTAINER_LABEL, "", CONTAINER_OWNER_LABEL, "");
    int rc = request.body ? daemon_call(d, &request, &answer, err,
                                        "/commit?container=%s&repo=%s&tag=%s&pause=0", container,
                                        repository, tag ? tag : "latest")
                          : error_oom(err, request.operation);
    json_decref(request.body);
    if (rc < 0)
        return -1;
    return answer.status == 201
               ? 0
               : daemon_refused(&answer, LRUN_START_FAILED, request.operation,
                                "the outcome of the setup steps cannot be kept", err);
}

/* Removes a name of an image; an image with other names loses only this one. Returns 1: the name is
 * gone; 0: the image is in use (409), or another process has removed it (404). */
static int remove_image(struct daemon *d, const char *name, lrun_error *err)
{
    struct http_request request = {.operation = "docker.clean", .method = "DELETE"};
    cleanup_answer struct http_answer answer = {0};
    cleanup_free char *escaped = daemon_escape(name);
    if (!escaped)
        return error_oom(err, request.operation);
    if (daemon_call(d, &request, &answer, err, "/images/%s", escaped) < 0)
        return -1;
    return answer.status == 200;
}

int docker_image_clean(struct daemon *d, unsigned *count, lrun_error *err)
{
    struct http_request request = {.operation = "docker.clean", .method = "GET"};
    cleanup_answer struct http_answer answer = {0};
    cleanup_free char *filters = daemon_escape("{\"label\":[\"" CONTAINER_CONFIG_LABEL "\"]}");
    if (!filters)
        return error_oom(err, request.operation);
    if (daemon_call(d, &request, &answer, err, "/images/json?filters=%s", filters) < 0)
        return -1;
    if (answer.status != 200)
        return daemon_refused(&answer, LRUN_ENGINE_UNREACHABLE, request.operation,
                              "cannot list the images", err);
    size_t i, j;
    json_t *image, *tag;
    json_array_foreach (answer.body, i, image) {
        json_array_foreach (json_object_get(image, "RepoTags"), j, tag) {
            const char *name = json_string_value(tag);
            int rc = is_setup_name(name) ? remove_image(d, name, err) : 0;
            if (rc < 0)
                return -1;
            *count += (unsigned)rc;
        }
    }
    return 0;
}
