/* SPDX-License-Identifier: MIT */
#include "engine/docker/trial.h"

#include "base/cleanup.h"
#include "engine/docker/agent_file.h"
#include "engine/docker/container.h"
#include "engine/docker/image.h"
#include "engine/docker/volume.h"
#include "engine/engine.h"
#include "host/process.h"
#include "tier/agent_name.h"

#include <string.h>

#define OPERATION "docker.trial"

/* In ms. */
enum { REMOVE_TIMEOUT = 30000 };

/* Returns the id of the first image whose volumes are allowed. malloc'd; NULL with an error. */
static char *any_image(struct docker_engine *e, lrun_error *err)
{
    struct http_request request = {.operation = OPERATION, .method = "GET"};
    cleanup_answer struct http_answer answer = {0};
    if (daemon_call(&e->daemon, &request, &answer, err, "/images/json") < 0)
        return NULL;
    size_t i;
    json_t *image;
    json_array_foreach (answer.body, i, image) {
        bool found;
        lrun_error ignored;
        const char *id = json_string_value(json_object_get(image, "Id"));
        if (id && image_is_digest(id) && docker_image_find(e, id, &found, NULL, &ignored) == 0 &&
            found && volume_check_places(docker_image_volumes(e), false, &ignored) == 0) {
            char *copy = strdup(id);
            if (!copy)
                error_oom(err, OPERATION);
            return copy;
        }
    }
    error_set(err, LRUN_START_FAILED, OPERATION,
              "the Docker daemon has no image to try a runtime with");
    error_hint(err, "docker pull busybox");
    return NULL;
}

static json_t *document(const char *name, const char *image, const char *agent, const char *runtime)
{
    char owner[PROCESS_IDENTITY_SIZE];
    process_identity(owner);
    return json_pack("{ss,s[s],s[],s{ss,ss},s{ss,ss}}", "Image", image, "Entrypoint", agent, "Cmd",
                     "Labels", CONTAINER_LABEL, name, CONTAINER_OWNER_LABEL, owner, "HostConfig",
                     "Runtime", runtime, "NetworkMode", ENGINE_NETWORK_NONE);
}

int trial_of_runtime(struct docker_engine *e, const char *runtime, lrun_error *err)
{
    struct daemon *d = &e->daemon;
    struct http_request request = {.operation = OPERATION, .method = "POST"};
    struct http_request remove = {
        .operation = OPERATION, .method = "DELETE", .timeout_ms = REMOVE_TIMEOUT};
    cleanup_answer struct http_answer made = {0}, started = {0}, removed = {0};
    lrun_error ignored;
    char name[64], agent[AGENT_NAME_SIZE];
    cleanup_free char *image = any_image(e, err);
    if (!image || agent_name_make(agent, err) < 0)
        return -1;
    /* A name in the form of a run's id, so that reap recognizes it. */
    snprintf(name, sizeof(name), "light-runner-%.12s", agent + strlen(AGENT_NAME_PREFIX));
    request.body = document(name, image, agent, runtime);
    if (!request.body)
        return error_oom(err, OPERATION);
    int rc = daemon_call(d, &request, &made, err, "/containers/create?name=%s", name);
    json_decref(request.body);
    request.body = NULL;
    const struct http_answer *last = &made;
    if (rc == 0 && made.status == 201) {
        rc = agent_file_put(d, name, agent, err);
        if (rc == 0)
            rc = daemon_call(d, &request, &started, err, "/containers/%s/start", name);
        last = &started;
        daemon_call(d, &remove, &removed, &ignored, "/containers/%s?force=1&v=1", name);
    }
    if (rc < 0 || started.status == 204)
        return rc;
    return daemon_refused(last, LRUN_START_FAILED, OPERATION, "it starts nothing", err);
}
