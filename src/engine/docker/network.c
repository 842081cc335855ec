/* SPDX-License-Identifier: MIT */
#include "engine/docker/network.h"

#include "base/cleanup.h"
#include "engine/docker/container.h"

#include <string.h>

#define OPERATION "docker.network"
#define ICC       "com.docker.network.bridge.enable_icc"

static int make_default(struct daemon *d, lr_error *err)
{
    struct http_request request = {.operation = OPERATION, .method = "POST"};
    cleanup_answer struct http_answer answer = {0};
    json_t *body = json_pack("{ss,ss,sb,s{ss},s{ss}}", "Name", CONTAINER_NETWORK, "Driver",
                             "bridge", "CheckDuplicate", 1, "Options", ICC, "false", "Labels",
                             "light-runner.network", "default");
    if (!body)
        return error_oom(err, OPERATION);
    request.body = body;
    int rc = daemon_call(d, &request, &answer, err, "/networks/create");
    json_decref(body);
    if (rc < 0)
        return -1;
    /* 409: another run has just made it, in the same way. */
    return answer.status == 201 || answer.status == 409
               ? 0
               : daemon_refused(&answer, LR_CONTAINER_START_FAILED, OPERATION,
                                "the network '" CONTAINER_NETWORK "' cannot be made", err);
}

/* Somebody may have made one of that name whose containers reach one another. */
static int check_default(const json_t *network, lr_error *err)
{
    const char *driver = json_string_value(json_object_get(network, "Driver"));
    const char *icc = json_string_value(json_object_get(json_object_get(network, "Options"), ICC));
    if (driver && strcmp(driver, "bridge") == 0 && icc && strcmp(icc, "false") == 0)
        return 0;
    error_set(err, LR_CONTAINER_START_FAILED, OPERATION,
              "the Docker network '" CONTAINER_NETWORK
              "' is not ours: its containers reach one another");
    return error_hint(err, "docker network rm " CONTAINER_NETWORK "; the next run makes it again");
}

int network_ensure(struct daemon *d, const char *name, lr_error *err)
{
    struct http_request request = {.operation = OPERATION, .method = "GET"};
    cleanup_answer struct http_answer answer = {0};
    if (strcmp(name, CONTAINER_NETWORK) != 0)
        return 0;
    if (daemon_call(d, &request, &answer, err, "/networks/" CONTAINER_NETWORK) < 0)
        return -1;
    if (answer.status == 404)
        return make_default(d, err);
    return answer.status == 200 ? check_default(answer.body, err)
                                : daemon_refused(&answer, LR_CONTAINER_START_FAILED, OPERATION,
                                                 "the network '" CONTAINER_NETWORK "'", err);
}

int network_connect(struct daemon *d, const char *name, const char *container, lr_error *err)
{
    struct http_request request = {.operation = OPERATION, .method = "POST"};
    cleanup_answer struct http_answer answer = {0};
    cleanup_free char *escaped = daemon_escape(name);
    json_t *body = json_pack("{ss}", "Container", container);
    request.body = body;
    int rc = !escaped || !body
                 ? error_oom(err, OPERATION)
                 : daemon_call(d, &request, &answer, err, "/networks/%s/connect", escaped);
    json_decref(body);
    if (rc < 0 || answer.status == 200)
        return rc;
    daemon_refused(&answer, LR_CONTAINER_START_FAILED, OPERATION, "a network cannot be connected",
                   err);
    return error_hint(err, "networks that a run names must be there: docker network create %s",
                      name);
}
