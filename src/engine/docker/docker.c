/* SPDX-License-Identifier: MIT */
/*
 * The engine docker: one container per run, by the Docker Engine API. As on the local engine,
 * the container's first process is the agent. Files, input and output go through the agent's
 * stream (relay.h), so they work the same in every tier, even where the daemon cannot see
 * into the container.
 *
 * The calls of one run, in order. None is made twice, except where noted:
 *
 *     GET    /version                       when the engine is opened
 *     GET    /images/NAME/json
 *     GET    /info                          for a cap on the disk, for many cores, with the default
 *                                           network, and without a network
 *     GET    /networks/NAME                 the first network, if there is one. In place of the
 *                                           default network, Podman makes one per run
 *     POST   /containers/create             again if the daemon does not see the agent's file
 *     HEAD   /containers/ID/archive         where the volumes lead: for each part of their paths
 *     PUT    /containers/ID/archive         the agent, for a daemon elsewhere and for setup steps
 *     POST   /networks/NAME/connect         for each network after the first
 *     POST   /containers/ID/attach, /start  by the relay
 *     GET    /containers/ID/json            by the relay, before the command; with a daemon
 *                                           elsewhere, after the container's end
 *     POST   /containers/ID/wait
 *     DELETE /containers/ID, /volumes/ID    on Podman also /networks/ID
 *
 * If the supervisor is killed, these are left: the container, whose agent ends because its stdin is
 * closed; the volume; and on Podman the run's network. All have the run's id as their label, and
 * reap removes them.
 */
#include "engine/docker/docker_engine.h"
#include "engine/docker/hint.h"
#include "engine/docker/image.h"
#include "engine/docker/images.h"
#include "engine/docker/network.h"
#include "engine/docker/prepare.h"
#include "engine/docker/reap.h"
#include "engine/docker/trial.h"
#include "engine/engine.h"

#include <stdlib.h>
#include <string.h>

static int docker_open(struct engine **out, const struct tick *tick, lrun_error *err)
{
    struct docker_engine *e = calloc(1, sizeof(*e));
    if (!e)
        return error_oom(err, "docker.open");
    e->base.ops = &engine_docker;
    /* The host's firewall decides what a network of the daemon reaches, and the daemon decides what
     * runs a VM. */
    e->base.abilities = ENGINE_NETWORKS;
    if (tick)
        e->base.tick = *tick;
    if (daemon_open(&e->daemon, &e->base.tick, err) < 0) {
        free(e);
        return -1;
    }
    *out = &e->base;
    return 0;
}

static void docker_close(struct engine *base)
{
    struct docker_engine *e = docker_engine_of(base);
    docker_image_forget(e);
    daemon_close(&e->daemon);
    free(e);
}

/* The daemon must have a runtime with the tier's name. Kata's shim need not be in
 * its list of runtimes. */
static int docker_available(struct engine *base, const char *tier, lrun_error *err)
{
    struct docker_engine *e = docker_engine_of(base);
    const json_t *info;
    if (strcmp(tier, "runc") == 0)
        return 0;
    if (daemon_info(&e->daemon, &info, err) < 0)
        return -1;
    if (json_object_get(json_object_get(info, "Runtimes"), tier))
        return 0;
    if (strcmp(tier, REQUEST_KATA_SHIM) == 0)
        return trial_of_runtime(e, tier, err) < 0 ? hint_register(tier, err) : 0;
    error_set(err, LRUN_START_FAILED, "docker.info", "the Docker daemon has no runtime named '%s'",
              tier);
    return hint_register(tier, err);
}

static int reap(struct engine *e, int64_t min_age_ms, struct engine_reaped *out, lrun_error *err)
{
    return docker_reap(&docker_engine_of(e)->daemon, min_age_ms, out, err);
}

static int network(struct engine *e, enum engine_network_action action, const char *name,
                   unsigned *count, lrun_error *err)
{
    return network_do(&docker_engine_of(e)->daemon, action, name, count, err);
}

LRUN_API const struct engine_ops engine_docker = {
    .name = "docker",
    .open = docker_open,
    .close = docker_close,
    .available = docker_available,
    .find_image = docker_images_find,
    .describe_image = docker_images_describe,
    .pull = docker_images_pull,
    .import_image = docker_images_import,
    .list_images = docker_images_list,
    .remove_image = docker_images_remove,
    .clean_images = docker_images_clean,
    .prepare = docker_prepare,
    .reap = reap,
    .network = network,
};
