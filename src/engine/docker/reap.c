/* SPDX-License-Identifier: MIT */
#include "engine/docker/reap.h"

#include "base/cleanup.h"
#include "base/timestamp.h"
#include "engine/docker/container.h"
#include "host/process.h"

#include <string.h>
#include <time.h>

#define OPERATION "docker.reap"

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Lists the objects with our label. New reference. */
static int list(json_t **out, struct daemon *d, const char *path, const char *filter,
                lrun_error *err)
{
    struct http_request request = {.operation = OPERATION, .method = "GET"};
    cleanup_answer struct http_answer answer = {0};
    cleanup_free char *escaped = daemon_escape(filter);
    if (!escaped)
        return error_oom(err, OPERATION);
    if (daemon_call(d, &request, &answer, err, "%s%s", path, escaped) < 0)
        return -1;
    if (answer.status != 200 || !answer.body)
        return daemon_refused(&answer, LRUN_ENGINE_UNREACHABLE, OPERATION,
                              "cannot list what there is", err);
    *out = json_incref(answer.body);
    return 0;
}

/* Removes an object. Returns 1: it is gone; 0: another process has removed it, or
 * it is in use again. */
static int removed(struct daemon *d, const char *kind, const char *name, const char *how,
                   lrun_error *err)
{
    struct http_request request = {.operation = OPERATION, .method = "DELETE"};
    cleanup_answer struct http_answer answer = {0};
    cleanup_free char *escaped = daemon_escape(name);
    if (!escaped)
        return error_oom(err, OPERATION);
    if (daemon_call(d, &request, &answer, err, "/%s/%s%s", kind, escaped, how) < 0)
        return -1;
    return answer.status == 204;
}

/* Whether the object's supervisor is still alive, according to the object's labels. */
static enum process_fate fate_of(const json_t *labelled)
{
    const char *owner = json_string_value(
        json_object_get(json_object_get(labelled, "Labels"), CONTAINER_OWNER_LABEL));
    return owner ? process_fate(owner) : PROCESS_UNKNOWN;
}

/* Whether the container is orphaned. Its state cannot tell for a paused one, whose agent does not
 * notice that stdin is closed, so the fate of the supervisor counts first. */
static bool is_over(const json_t *container)
{
    enum process_fate fate = fate_of(container);
    static const char *const over[] = {"created", "exited", "dead"};
    const char *state = json_string_value(json_object_get(container, "State"));
    if (fate != PROCESS_UNKNOWN)
        return fate == PROCESS_GONE;
    for (size_t i = 0; state && i < sizeof(over) / sizeof(over[0]); i++)
        if (strcmp(state, over[i]) == 0)
            return true;
    return false;
}

/* Whether a name of the container, as "/ID", is a run's. A container that others are linked
 * to has more names. */
static bool is_ours(const json_t *container)
{
    size_t i;
    const json_t *entry;
    json_array_foreach (json_object_get(container, "Names"), i, entry) {
        const char *name = json_string_value(entry);
        if (name &&
            container_is_of_run(name + (name[0] == '/'), json_object_get(container, "Labels")))
            return true;
    }
    return false;
}

static int reap_containers(struct daemon *d, int64_t before, unsigned *count, lrun_error *err)
{
    json_t *all, *container;
    size_t i;
    int rc = list(&all, d,
                  "/containers/json?all=1&filters=", "{\"label\":[\"" CONTAINER_LABEL "\"]}", err);
    if (rc < 0)
        return -1;
    json_array_foreach (all, i, container) {
        const char *id = json_string_value(json_object_get(container, "Id"));
        json_int_t created = json_integer_value(json_object_get(container, "Created"));
        if (!id || !is_ours(container) || created * 1000 > before || !is_over(container))
            continue;
        rc = removed(d, "containers", id, "?force=1&v=1", err);
        if (rc < 0)
            break;
        *count += (unsigned)rc;
    }
    json_decref(all);
    return rc < 0 ? -1 : 0;
}

/* Removes volumes or networks. Those that are in use are not listed, or the daemon
 * rejects their removal. */
static int reap_unused(struct daemon *d, const char *kind, const json_t *all,
                       const char *created_at, int64_t before, unsigned *count, lrun_error *err)
{
    size_t i;
    const json_t *one;
    json_array_foreach (all, i, one) {
        const char *name = json_string_value(json_object_get(one, "Name"));
        int64_t created = timestamp_parse(json_string_value(json_object_get(one, created_at)));
        if (!container_is_of_run(name, json_object_get(one, "Labels")) || created < 0 ||
            created > before || fate_of(one) == PROCESS_ALIVE)
            continue;
        int rc = removed(d, kind, name, "", err);
        if (rc < 0)
            return -1;
        *count += (unsigned)rc;
    }
    return 0;
}

static int reap_volumes(struct daemon *d, int64_t before, unsigned *count, lrun_error *err)
{
    json_t *answer;
    if (list(&answer, d, "/volumes?filters=",
             "{\"dangling\":[\"true\"],\"label\":[\"" CONTAINER_LABEL "\"]}", err) < 0)
        return -1;
    int rc = reap_unused(d, "volumes", json_object_get(answer, "Volumes"), "CreatedAt", before,
                         count, err);
    json_decref(answer);
    return rc;
}

/* Only Podman has networks to remove: on Docker, runs share one. */
static int reap_networks(struct daemon *d, int64_t before, lrun_error *err)
{
    json_t *all;
    unsigned uncounted = 0;
    if (!d->podman)
        return 0;
    if (list(&all, d, "/networks?filters=", "{\"label\":[\"" CONTAINER_LABEL "\"]}", err) < 0)
        return -1;
    int rc = reap_unused(d, "networks", all, "Created", before, &uncounted, err);
    json_decref(all);
    return rc;
}

int docker_reap(struct daemon *d, int64_t min_age_ms, struct engine_reaped *out, lrun_error *err)
{
    int64_t before = now_ms() - min_age_ms;
    return reap_containers(d, before, &out->containers, err) < 0 ||
                   reap_volumes(d, before, &out->volumes, err) < 0 ||
                   reap_networks(d, before, err) < 0
               ? -1
               : 0;
}
