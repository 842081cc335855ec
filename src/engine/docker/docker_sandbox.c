/* SPDX-License-Identifier: MIT */
#include "engine/docker/docker_sandbox.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "engine/docker/hint.h"
#include "engine/docker/image.h"
#include "engine/docker/relay.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In ms. END_MAX is for all calls at the end of a run together; the library gives a supervisor 60 s
 * for them. END_LEAST is what each of them has in any case. END_PATIENCE is how long a container
 * may take to end by itself, before it is killed. */
enum {
    END_TIMEOUT = 10000,
    END_PATIENCE = 2000,
    THAW_TIMEOUT = 5000,
    REMOVE_TIMEOUT = 30000,
    END_MAX = 40000,
    END_LEAST = 2000
};

static struct docker_sandbox *docker_of(struct sandbox *s)
{
    return (struct docker_sandbox *)s;
}

static const struct sandbox_ops docker_sandbox;

struct docker_sandbox *docker_sandbox_make(struct docker_engine *e, const char *id, bool keep_root)
{
    struct docker_sandbox *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    sandbox_init(&s->base, &docker_sandbox, keep_root);
    s->engine = e;
    s->daemon = &s->engine->daemon;
    s->relay.pidfd = s->facts = -1;
    call_init(&s->call);
    snprintf(s->id, sizeof(s->id), "%s", id);
    process_identity(s->owner);
    return s;
}

static int docker_start(struct sandbox *base, lrun_error *err)
{
    struct docker_sandbox *s = docker_of(base);
    s->started = true;
    struct relay_pipes pipes;
    if (relay_start(&s->relay, &pipes, s->daemon, s->id, err) < 0)
        return -1;
    base->to_agent = pipes.to_agent;
    base->from_agent = pipes.from_agent;
    base->runtime_text = pipes.text;
    base->alive = s->relay.pidfd;
    s->facts = pipes.facts;
    return 0;
}

/* -------------------------------------------------------------- the end */

/* Returns the timeout of one call at the end, at most `most`. */
static int64_t end_timeout(struct docker_sandbox *s, int64_t most)
{
    if (s->end_by == 0)
        s->end_by = clock_ms() + END_MAX;
    int64_t left = s->end_by - clock_ms();
    return left < END_LEAST ? END_LEAST : left < most ? left : most;
}

static int call_container(struct docker_sandbox *s, const char *operation, const char *method,
                          const char *what, int64_t timeout_ms, struct http_answer *answer,
                          lrun_error *err)
{
    struct http_request request = {
        .operation = operation, .method = method, .timeout_ms = timeout_ms};
    return daemon_call(s->daemon, &request, answer, err, "/containers/%s%s", s->id, what);
}

/* Does not wait for the daemon, which may take long, because the supervisor's
 * loop must continue. */
static int docker_pause(struct sandbox *base, bool on, lrun_error *err)
{
    struct docker_sandbox *s = docker_of(base);
    if (call_start(&s->call, s->daemon, s->id, on ? "pause" : "unpause", err) < 0)
        return -1;
    s->pausing = on;
    s->maybe_paused = true;
    base->pausing = s->call.answer;
    return 1;
}

static int docker_paused(struct sandbox *base, lrun_error *err)
{
    struct docker_sandbox *s = docker_of(base);
    int rc = call_finish(&s->call, err);
    base->pausing = -1;
    if (rc == 0)
        s->maybe_paused = s->pausing;
    return rc;
}

static json_t *inspect(struct docker_sandbox *s, int64_t timeout_ms)
{
    lrun_error ignored;
    cleanup_answer struct http_answer answer = {0};
    call_container(s, "docker.inspect", "GET", "/json", timeout_ms, &answer, &ignored);
    return answer.status == 200 ? steal_ptr(answer.body) : NULL;
}

/*
 * Opens the container's cgroup, if it is on this machine, to read the usage. The cgroup vanishes
 * together with the container, and in gVisor the whole container dies when memory runs out. So we
 * watch for that ourselves, and look when it happens: Docker does not always notice it.
 */
static void docker_ready(struct sandbox *base)
{
    struct docker_sandbox *s = docker_of(base);
    char line[RELAY_FACTS_MAX + 1], id[IMAGE_HEX_LENGTH + 1];
    int32_t pid = 0;
    ssize_t n = read(s->facts, line, sizeof(line) - 1);
    cleanup_close_fd(&s->facts);
    line[n > 0 ? n : 0] = '\0';
    if (sscanf(line, "%64[0-9a-f] %9" SCNd32 "\n", id, &pid) == 2 &&
        strlen(id) == IMAGE_HEX_LENGTH && pid > 0 &&
        cgroup_open_of(&s->cgroup, CGROUP_ROOT, (pid_t)pid, id) == 0)
        base->memory = cgroup_watch_memory(s->cgroup);
}

/* Not for a VM, whose processes need not be in the container's cgroup. */
static int docker_cpu_used(const struct sandbox *base, uint64_t *us)
{
    const struct docker_sandbox *s = (const struct docker_sandbox *)base;
    bool counted = s->cgroup && (!base->tier->own_kernel || base->tier->is_gvisor);
    return counted ? cgroup_read_cpu(s->cgroup, us) : -1;
}

static int docker_oom_kills(const struct sandbox *base, uint64_t *count)
{
    const struct docker_sandbox *s = (const struct docker_sandbox *)base;
    struct cgroup_usage now;
    if (!s->cgroup || cgroup_is_gone(s->cgroup))
        return -1;
    cgroup_read_usage(s->cgroup, &now);
    *count = now.oom_kills;
    return 0;
}

static void docker_on_memory(struct sandbox *base)
{
    struct docker_sandbox *s = docker_of(base);
    if (cgroup_ran_out(s->cgroup, base->memory, &s->usage))
        s->looked = true;
}

/* For a container on another machine, or one that ended at once, we know only
 * whether it ran out of memory. */
static void look_at_end(struct docker_sandbox *s)
{
    json_t *document = inspect(s, end_timeout(s, END_TIMEOUT));
    s->usage.oom_kills =
        json_is_true(json_object_get(json_object_get(document, "State"), "OOMKilled"));
    json_decref(document);
}

static void docker_kill(struct sandbox *base)
{
    struct docker_sandbox *s = docker_of(base);
    if (s->stopped || !s->started)
        return;
    s->stopped = true;
    if (s->cgroup && !cgroup_is_gone(s->cgroup)) {
        cgroup_read_usage(s->cgroup, &s->usage);
        s->looked = true;
    }
    /* The end of the relay closes the container's stdin. That ends the agent, and so everything. */
    process_destroy(&s->relay);
    base->alive = -1;
}

/* Returns 1: nothing in the container runs any more; 0: it has not ended in time. */
static int wait_for_end(struct docker_sandbox *s, int64_t timeout, lrun_error *err)
{
    cleanup_answer struct http_answer answer = {0};
    if (call_container(s, "docker.wait", "POST", "/wait?condition=not-running",
                       end_timeout(s, timeout), &answer, err) < 0)
        return -1;
    /* 404: the container has been removed by another process. */
    return answer.status == 200 || answer.status == 404;
}

/* Thaws the container: while frozen, its agent cannot notice that stdin is closed. False: it
 * may still be frozen. */
static bool thaw(struct docker_sandbox *s)
{
    cleanup_answer struct http_answer answer = {0};
    lrun_error ignored;
    call_abandon(&s->call);
    s->base.pausing = -1;
    /* Any answer will do: 500 and 409 mean that it is not paused. */
    return !s->maybe_paused || call_container(s, "docker.unpause", "POST", "/unpause",
                                              end_timeout(s, THAW_TIMEOUT), &answer, &ignored) == 0;
}

/* Waits until the container ends by itself, as its stdin is closed, or else kills it. Fails while
 * it may still be running: then there must be no result. */
static int await_end(struct docker_sandbox *s, lrun_error *err)
{
    cleanup_answer struct http_answer killed = {0};
    lrun_error slow = {0};
    if (thaw(s) && wait_for_end(s, END_PATIENCE, &slow) == 1)
        return 0;
    if (call_container(s, "docker.kill", "POST", "/kill", end_timeout(s, END_TIMEOUT), &killed,
                       err) < 0)
        return -1;
    /* It does not exist, or does not run. */
    if (killed.status == 404 || killed.status == 409)
        return 0;
    int ended = wait_for_end(s, END_TIMEOUT, err);
    if (ended != 0)
        return ended < 0 ? -1 : 0;
    daemon_refused(&killed, LRUN_INTERNAL, "docker.kill", "the container may still be running",
                   err);
    return error_hint(err, "docker rm -f %s", s->id);
}

static int docker_finish(struct sandbox *base, struct cgroup_usage *usage, lrun_error *err)
{
    struct docker_sandbox *s = docker_of(base);
    if (!s->started)
        return 0;
    docker_kill(base);
    if (await_end(s, err) < 0)
        return -1;
    if (!s->looked)
        look_at_end(s);
    *usage = s->usage;
    return 0;
}

static int docker_commit(struct sandbox *base, const char *name, lrun_error *err)
{
    struct docker_sandbox *s = docker_of(base);
    s->end_by = 0;
    return docker_image_commit(s->daemon, s->id, name, err);
}

/* Removes an object. Returns whether it is gone: it has been removed, or did not exist. */
static bool removed(struct docker_sandbox *s, const char *kind, const char *how)
{
    struct http_request request = {.operation = "docker.remove",
                                   .method = "DELETE",
                                   .timeout_ms = end_timeout(s, REMOVE_TIMEOUT)};
    cleanup_answer struct http_answer answer = {0};
    lrun_error ignored;
    return daemon_call(s->daemon, &request, &answer, &ignored, "/%s/%s%s", kind, s->id, how) == 0 &&
           (answer.status == 204 || answer.status == 404);
}

/* Removes everything by name, so that a container is removed even if the request to create it was
 * never answered. reap removes what is left. */
unsigned docker_sandbox_destroy(struct sandbox *base)
{
    unsigned left = 0;
    if (!base)
        return 0;
    struct docker_sandbox *s = docker_of(base);
    lrun_error ignored;
    /* The cleanup of a cancelled run must not be cancelled, too. */
    s->engine->base.tick = (struct tick){0};
    process_destroy(&s->relay);
    call_abandon(&s->call);
    cleanup_close_fd(&s->facts);
    if (s->container && !removed(s, "containers", "?force=1&v=1"))
        left |= SANDBOX_LEFT_CONTAINER;
    if (s->volume && !removed(s, "volumes", ""))
        left |= SANDBOX_LEFT_VOLUME;
    if (s->network &&
        network_remove_own(s->daemon, s->id, end_timeout(s, REMOVE_TIMEOUT), &ignored) < 0)
        left |= SANDBOX_LEFT_NETWORK;
    cgroup_destroy(s->cgroup);
    sandbox_close(base);
    free(s->agent);
    free(s);
    return left;
}

static const struct sandbox_ops docker_sandbox = {
    .start = docker_start,
    .explain = hint_start,
    .ready = docker_ready,
    .on_memory = docker_on_memory,
    .cpu_used = docker_cpu_used,
    .oom_kills = docker_oom_kills,
    .kill = docker_kill,
    .pause = docker_pause,
    .paused = docker_paused,
    .finish = docker_finish,
    .commit = docker_commit,
    .destroy = docker_sandbox_destroy,
};
