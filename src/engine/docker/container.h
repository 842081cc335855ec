/* SPDX-License-Identifier: MIT */
/*
 * The body of POST /containers/create. container.c has all standing defaults of a
 * sandbox on this engine.
 *
 * The container's first process is the agent, as on the local engine. The agent's file is
 * bind-mounted into the container. If the daemon does not see this machine's files, or if
 * an image will be made from the container, the agent is written into the container's root
 * and removes itself.
 */
#ifndef ENGINE_DOCKER_CONTAINER_H
#define ENGINE_DOCKER_CONTAINER_H

#include "engine/sandbox_spec.h"
#include "tier/tier.h"

#include <jansson.h>

/* The label of containers, volumes and networks that belong to a run. Its value is the run's id.
 * Containers inherit the labels of their images, so the label counts only if the id is also the
 * name (container_is_of_run()). */
#define CONTAINER_LABEL "light-runner.run-id"

/* The label with the identity of the supervisor (process_identity() of base/process_identity.h). */
#define CONTAINER_OWNER_LABEL "light-runner.supervisor"

/*
 * Our containers have the agent as their command, and so has an image that is made from one. So the
 * image's own configuration is stored in a label. The label is set on the container, because Podman
 * copies only container labels to a committed image. Images that are built on such an image inherit
 * the label, and any image may bring it, so it counts only in images that have a name of ours.
 */
#define CONTAINER_CONFIG_LABEL "light-runner.config"

struct container {
    const char *id;        /* the run's id */
    const char *image;     /* the image's id */
    const char *volume_at; /* where the volume is mounted; NULL: there is none */
    const struct tier *tier;
    const char *owner; /* identity of the supervisor */
    /* Configuration of the image that will be made from the container
     * (docker/image.h). NULL: no image. */
    const char *config;
    const char *agent_at;  /* the agent's path in the container */
    const char *agent;     /* its path on the daemon's machine; NULL: written into the container */
    const char *runtime;   /* NULL: the daemon's default */
    double cpus;           /* the request's, but at most as many as the daemon has */
    const char *network;   /* the network that the container is created with */
    bool network_disabled; /* Docker makes no network, so the container has none */
    bool loopback_ipv6;    /* the machine has IPv6 and the container's network has not */
    bool podman;           /* Podman's service makes the container */
    bool cgroup_namespace; /* the daemon supports cgroup namespaces */
};

/* Returns the document, or NULL with an error.
 * Errors: INVALID_ARGUMENT (gpus, networks), OUT_OF_MEMORY. */
json_t *container_document(const struct container *c, const struct sandbox_spec *spec,
                           lrun_error *err);

/* Whether an object with that name and those labels was made for a run. */
bool container_is_of_run(const char *name, const json_t *labels);

bool container_is_network_name(const char *text);

/* Returns the first network that the run asks for. */
const char *container_network(const struct sandbox_spec *spec);

#endif
