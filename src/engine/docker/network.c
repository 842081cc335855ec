/* SPDX-License-Identifier: MIT */
#include "engine/docker/network.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "engine/docker/container.h"
#include "engine/engine.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#define OPERATION    "docker.network"
#define ICC          "com.docker.network.bridge.enable_icc"
#define LABEL        "light-runner.network"
#define PREFIX       "light-runner-"
#define PODMAN_APART "isolate"

/* An abstract address: whoever is bound to it creates the default network. */
static const char creator_address[] = "light-runner/docker-network";

/* How long to wait for another creator, in ms. A daemon needs less than a second for a network. */
enum { CREATOR_WAIT = 5000, CREATOR_PAUSE = 10 };

/* Creates a network. `options` are the driver's, or NULL; takes ownership. The answer's status is
 * 201 if the network was created. */
static int post(struct daemon *d, const char *name, json_t *options, const char *kind,
                struct http_answer *answer, lrun_error *err)
{
    struct http_request request = {.operation = OPERATION, .method = "POST"};
    json_t *body = json_pack("{ss,ss,sb,so*,s{ss}}", "Name", name, "Driver", "bridge",
                             "CheckDuplicate", 1, "Options", options, "Labels", LABEL, kind);
    if (!body)
        return error_oom(err, OPERATION);
    request.body = body;
    int rc = daemon_call(d, &request, answer, err, "/networks/create");
    json_decref(body);
    return rc;
}

/* Requests the default network. Its name needs no escaping. */
static int get_default(struct daemon *d, struct http_answer *answer, lrun_error *err)
{
    struct http_request request = {.operation = OPERATION, .method = "GET"};
    return daemon_call(d, &request, answer, err, "/networks/" ENGINE_NETWORK_DEFAULT);
}

/* Whether the containers of the network cannot reach each other. */
static bool is_isolated(const json_t *network)
{
    const char *driver = json_string_value(json_object_get(network, "Driver"));
    const char *icc = json_string_value(json_object_get(json_object_get(network, "Options"), ICC));
    return driver && strcmp(driver, "bridge") == 0 && icc && strcmp(icc, "false") == 0;
}

/*
 * Containers of a network are isolated by firewall rules for traffic on the network's bridge. A
 * daemon reports if the kernel does not apply firewall rules to bridges. Later versions do not
 * report it, nor do daemons that are configured to make no rules ("iptables": false).
 */
static int check_firewall(struct daemon *d, lrun_error *err)
{
    const json_t *info;
    if (daemon_info(d, &info, err) < 0)
        return -1;
    if (!json_is_false(json_object_get(info, "BridgeNfIptables")))
        return 0;
    error_set(err, LRUN_NOT_SUPPORTED, OPERATION,
              "the daemon's firewall does not keep the containers of a network apart: bridges "
              "bypass it there");
    return error_hint(err, "modprobe br_netfilter, and sysctl net.bridge.bridge-nf-call-iptables=1 "
                           "on the daemon's machine; or use --network none");
}

/* Of two networks with the default name, the older one stays. If they have the same
 * age, the ids decide. */
static bool stays_before(const json_t *a, const json_t *b)
{
    static const char *const keys[] = {"Created", "Id"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const char *left = json_string_value(json_object_get(a, keys[i]));
        const char *right = json_string_value(json_object_get(b, keys[i]));
        int order = strcmp(left ? left : "", right ? right : "");
        if (order != 0)
            return order < 0;
    }
    return true;
}

static void remove_by_id(struct daemon *d, const json_t *network)
{
    struct http_request request = {.operation = OPERATION, .method = "DELETE"};
    cleanup_answer struct http_answer answer = {0};
    const char *id = json_string_value(json_object_get(network, "Id"));
    cleanup_free char *escaped = id ? daemon_escape(id) : NULL;
    lrun_error ignored;
    /* Ignore the outcome: another process may have removed it. */
    if (escaped)
        daemon_call(d, &request, &answer, &ignored, "/networks/%s", escaped);
}

/*
 * Waits until no other process of this machine creates the default network. Returns an fd to close
 * afterwards. -1: another process has taken too long, and we no longer wait for it. The kernel
 * releases the address when the process ends.
 */
static int become_creator(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t length = offsetof(struct sockaddr_un, sun_path) + sizeof(creator_address);
    cleanup_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int64_t deadline = clock_ms() + CREATOR_WAIT;
    memcpy(address.sun_path + 1, creator_address, sizeof(creator_address) - 1);
    while (fd >= 0 && bind(fd, (const struct sockaddr *)&address, length) < 0) {
        if (errno != EADDRINUSE || clock_ms() >= deadline)
            return -1;
        nanosleep(&(struct timespec){.tv_nsec = CREATOR_PAUSE * 1000000L}, NULL);
    }
    return steal_fd(&fd);
}

/*
 * If two machines create the network at the same time, a daemon may make two networks with one
 * name, and from then on reject the name as ambiguous. Every process that notices removes all but
 * the oldest, which is the same network for all processes. A run that already has the id of another
 * one fails. So processes of one machine create it one after the other.
 */
static int remove_doubles(struct daemon *d, lrun_error *err)
{
    struct http_request request = {.operation = OPERATION, .method = "GET"};
    cleanup_answer struct http_answer answer = {0};
    cleanup_free char *filters = daemon_escape("{\"name\":[\"" ENGINE_NETWORK_DEFAULT "\"]}");
    if (!filters)
        return error_oom(err, OPERATION);
    if (daemon_call(d, &request, &answer, err, "/networks?filters=%s", filters) < 0)
        return -1;
    const json_t *oldest = NULL;
    json_t *network;
    size_t i;
    for (int pass = 0; pass < 2; pass++) {
        json_array_foreach (answer.body, i, network) {
            const char *name = json_string_value(json_object_get(network, "Name"));
            /* The filter matches parts of names, too. */
            if (!name || strcmp(name, ENGINE_NETWORK_DEFAULT) != 0)
                continue;
            if (pass == 0)
                oldest = oldest && stays_before(oldest, network) ? oldest : network;
            else if (network != oldest)
                remove_by_id(d, network);
        }
    }
    return 0;
}

static int make_default(struct daemon *d, struct http_answer *made, lrun_error *err)
{
    cleanup_answer struct http_answer answer = {0};
    json_t *options = json_pack("{ss}", ICC, "false");
    /* Without the options, the containers of the network could reach each other. */
    if (!options)
        return error_oom(err, OPERATION);
    if (post(d, ENGINE_NETWORK_DEFAULT, options, "default", &answer, err) < 0)
        return -1;
    /* 409: another run has just created it, in the same way. */
    if (answer.status != 201 && answer.status != 409)
        return daemon_refused(&answer, LRUN_START_FAILED, OPERATION,
                              "the network '" ENGINE_NETWORK_DEFAULT "' cannot be made", err);
    if (remove_doubles(d, err) < 0 || get_default(d, made, err) < 0)
        return -1;
    if (made->status != 200 || is_isolated(made->body))
        return 0;
    /* Daemons other than Docker may accept the option and ignore it. */
    remove_by_id(d, made->body);
    error_set(err, LRUN_NOT_SUPPORTED, OPERATION,
              "the daemon does not keep the containers of a network apart");
    return error_hint(err, "use --network none, or a network that no other run is in: docker "
                           "network create NAME, and --network NAME");
}

int network_ensure(struct daemon *d, char id[NETWORK_ID_SIZE], lrun_error *err)
{
    cleanup_answer struct http_answer answer = {0}, again = {0}, made = {0};
    cleanup_close int creator = -1;
    const struct http_answer *last = &answer;
    if (check_firewall(d, err) < 0 || get_default(d, &answer, err) < 0)
        return -1;
    if (answer.status == 404) {
        creator = become_creator();
        last = &again;
        if (get_default(d, &again, err) < 0)
            return -1;
    }
    if (last->status == 404) {
        if (make_default(d, &made, err) < 0)
            return -1;
        last = &made;
    } else if (last->status == 400) {
        /* Several networks have the name. */
        if (remove_doubles(d, err) < 0 || get_default(d, &made, err) < 0)
            return -1;
        last = &made;
    }
    if (last->status != 200)
        return daemon_refused(last, LRUN_START_FAILED, OPERATION,
                              "the network '" ENGINE_NETWORK_DEFAULT "'", err);
    const char *text = json_string_value(json_object_get(last->body, "Id"));
    snprintf(id, NETWORK_ID_SIZE, "%s", text && strlen(text) < NETWORK_ID_SIZE ? text : "");
    if (is_isolated(last->body))
        return 0;
    /* A user may have made a network of that name. */
    error_set(err, LRUN_START_FAILED, OPERATION,
              "the Docker network '" ENGINE_NETWORK_DEFAULT
              "' is not ours: its containers reach one another");
    return error_hint(err,
                      "docker network rm " ENGINE_NETWORK_DEFAULT "; the next run makes it again");
}

/* Removes a network. Returns 1: it is gone; 0: it is not, and *err has the answer's error. */
static int remove_one(struct daemon *d, const char *name, int64_t timeout_ms, lrun_error *err)
{
    struct http_request request = {
        .operation = OPERATION, .method = "DELETE", .timeout_ms = timeout_ms};
    cleanup_answer struct http_answer answer = {0};
    if (daemon_call(d, &request, &answer, err, "/networks/%s", name) < 0)
        return -1;
    if (answer.status == 204)
        return 1;
    daemon_refused(&answer, LRUN_INVALID_ARGUMENT, OPERATION, "the network cannot be removed", err);
    return 0;
}

/* -------------------------------------------------------------- a run's own */

/*
 * Makes an isolated network. Uses Podman's own API, because in Docker's API Podman does not report
 * whether its networks are isolated. `how` is "strict" (isolated from every other network) or
 * "true" (from other isolated networks). Earlier versions support only "true".
 */
static int make_apart(struct daemon *d, const char *id, const char *owner, const char *how,
                      struct http_answer *answer, lrun_error *err)
{
    struct http_request request = {
        .operation = OPERATION, .method = "POST", .path = "/v4.0.0/libpod/networks/create"};
    json_t *body = json_pack("{ss,ss,sb,s{ss},s{ss,ss}}", "name", id, "driver", "bridge",
                             "dns_enabled", 0, "options", PODMAN_APART, how, "labels",
                             CONTAINER_LABEL, id, CONTAINER_OWNER_LABEL, owner);
    if (!body)
        return error_oom(err, OPERATION);
    request.body = body;
    int rc = http_call(&d->http, &request, answer, err);
    json_decref(body);
    return rc;
}

/* Whether the network is isolated as created, not just as requested. */
static bool is_apart(const struct http_answer *made)
{
    const char *how =
        json_string_value(json_object_get(json_object_get(made->body, "options"), PODMAN_APART));
    return made->status == 200 && how && (strcmp(how, "strict") == 0 || strcmp(how, "true") == 0);
}

int network_make_own(struct daemon *d, const char *id, const char *owner, lrun_error *err)
{
    cleanup_answer struct http_answer strict = {0}, apart = {0};
    if (make_apart(d, id, owner, "strict", &strict, err) < 0)
        return -1;
    if (is_apart(&strict))
        return 0;
    if (make_apart(d, id, owner, "true", &apart, err) < 0)
        return -1;
    if (is_apart(&apart))
        return 0;
    daemon_refused(&apart, LRUN_NOT_SUPPORTED, OPERATION,
                   "Podman cannot keep the networks of runs apart", err);
    return error_hint(err, "use --network none, or Podman 4.3 or later with netavark");
}

int network_remove_own(struct daemon *d, const char *id, int64_t timeout_ms, lrun_error *err)
{
    return remove_one(d, id, timeout_ms, err) == 1 ? 0 : -1;
}

static int hint_create(const char *name, lrun_error *err)
{
    return error_hint(err, "networks that a run names must be there: docker network create %s",
                      name);
}

int network_look_up(struct daemon *d, const char *name, lrun_error *err)
{
    struct http_request request = {.operation = OPERATION, .method = "GET"};
    cleanup_answer struct http_answer answer = {0};
    cleanup_free char *escaped = daemon_escape(name);
    if (!escaped)
        return error_oom(err, OPERATION);
    if (daemon_call(d, &request, &answer, err, "/networks/%s", escaped) < 0)
        return -1;
    if (answer.status == 200)
        return 0;
    daemon_refused(&answer, LRUN_START_FAILED, OPERATION, "networks", err);
    return answer.status == 404 ? hint_create(name, err) : -1;
}

int network_connect(struct daemon *d, const char *name, const char *container, lrun_error *err)
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
    daemon_refused(&answer, LRUN_START_FAILED, OPERATION, "a network cannot be connected", err);
    return hint_create(name, err);
}

/* -------------------------------------------------------------- the user's networks */

static int create(struct daemon *d, const char *name, lrun_error *err)
{
    cleanup_answer struct http_answer answer = {0};
    if (post(d, name, NULL, "user", &answer, err) < 0)
        return -1;
    return answer.status == 201 ? 0
                                : daemon_refused(&answer, LRUN_INVALID_ARGUMENT, OPERATION,
                                                 "the network cannot be made", err);
}

static int exists(struct daemon *d, const char *name, unsigned *count, lrun_error *err)
{
    struct http_request request = {.operation = OPERATION, .method = "GET"};
    cleanup_answer struct http_answer answer = {0};
    if (daemon_call(d, &request, &answer, err, "/networks/%s", name) < 0)
        return -1;
    *count = answer.status == 200;
    return answer.status == 200 || answer.status == 404
               ? 0
               : daemon_refused(&answer, LRUN_ENGINE_UNREACHABLE, OPERATION,
                                "cannot look at the network", err);
}

/* Keeps the default network, because a run may be about to use it. */
static int prune(struct daemon *d, unsigned *count, lrun_error *err)
{
    struct http_request request = {.operation = OPERATION, .method = "GET"};
    cleanup_answer struct http_answer answer = {0};
    if (daemon_call(d, &request, &answer, err, "/networks") < 0)
        return -1;
    if (answer.status != 200)
        return daemon_refused(&answer, LRUN_ENGINE_UNREACHABLE, OPERATION,
                              "cannot list the networks", err);
    size_t i;
    json_t *network;
    json_array_foreach (answer.body, i, network) {
        const char *name = json_string_value(json_object_get(network, "Name"));
        const char *label =
            json_string_value(json_object_get(json_object_get(network, "Labels"), LABEL));
        bool ours = name && (strncmp(name, PREFIX, strlen(PREFIX)) == 0 ||
                             (label && strcmp(label, "user") == 0));
        bool of_run = json_object_get(json_object_get(network, "Labels"), CONTAINER_LABEL);
        /* Leave a run's own network to reap, because the run may be about to use it. */
        if (!ours || of_run || strcmp(name, ENGINE_NETWORK_DEFAULT) == 0 ||
            !container_is_network_name(name))
            continue;
        /* The daemon rejects the removal of a network that is in use. */
        lrun_error ignored;
        int rc = remove_one(d, name, 0, &ignored);
        if (rc < 0) {
            *err = ignored;
            return -1;
        }
        *count += (unsigned)rc;
    }
    return 0;
}

int network_do(struct daemon *d, enum engine_network_action action, const char *name,
               unsigned *count, lrun_error *err)
{
    if (action == ENGINE_NETWORK_PRUNE)
        return prune(d, count, err);
    if (!name || !container_is_network_name(name)) {
        error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "'%.80s' is not a network's name",
                  name ? name : "");
        return error_hint(
            err, "letters, digits and . _ - are allowed; the first must be a letter or a digit");
    }
    switch (action) {
    case ENGINE_NETWORK_CREATE:
        return create(d, name, err);
    case ENGINE_NETWORK_REMOVE:
        return remove_one(d, name, 0, err) == 1 ? 0 : -1;
    default:
        return exists(d, name, count, err);
    }
}
