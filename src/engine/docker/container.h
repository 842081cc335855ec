/* SPDX-License-Identifier: MIT */
/*
 * What the daemon is asked to create: the body of POST /containers/create. All of the sandbox's
 * standing defaults on this engine are in container.c.
 *
 * The container's own process is the agent, as on the local engine. A bind mount shows it. Where the daemon does not see
 * this machine's files, or an image is made of the container, it is written into the container's root and removes itself.
 */
#ifndef ENGINE_DOCKER_CONTAINER_H
#define ENGINE_DOCKER_CONTAINER_H

#include "tier/tier.h"
#include "wire/request.h"

#include <jansson.h>

/* The label that says that a container, a volume or a network is a run's; its value is the run's id. Containers inherit
 * the labels of their images: it counts only where the id is the name as well (container_is_of_run()). */
#define CONTAINER_LABEL "light-runner.run-id"

/* And the one that says which supervisor it belongs to (process_identity() of host/process.h). */
#define CONTAINER_OWNER_LABEL "light-runner.supervisor"

/*
 * A container of ours has the agent as its command, and so has what is made of it. What the image's own configuration is
 * goes into a label, of the container already: Podman knows of no others when it makes an image. Images that are built on
 * such an image inherit the label, and any image may bring it: it counts in images with a name of ours alone.
 */
#define CONTAINER_CONFIG_LABEL "light-runner.config"

struct container {
    const char *id;        /* the run's */
    const char *image;     /* its id */
    const char *volume_at; /* where the volume is mounted; NULL: there is none */
    const struct tier *tier;
    const char *owner;  /* identity of the supervisor */
    const char *config; /* of the image that is to be made of it (docker/image.h); NULL: none is */
    const char *agent_at;  /* the agent's path in the container */
    const char *agent;     /* and on the daemon's machine; NULL: it is written into the container */
    const char *runtime;   /* NULL: the daemon's own default */
    double cpus;           /* the request's, or as many as the daemon has */
    const char *network;   /* that it is created with */
    bool network_disabled; /* Docker has nothing to do with its network: there is none */
    bool loopback_ipv6;    /* its network has none, and the machine has */
    bool podman;           /* it is Podman's service that makes it */
    bool cgroup_namespace; /* the daemon knows what that is */
};

/* The document; NULL with an error. Errors: INVALID_ARGUMENT (gpus, networks), OUT_OF_MEMORY. */
json_t *container_document(const struct container *c, const struct request *r, lrun_error *err);

/* Whether what has that name and those labels was made for a run. */
bool container_is_of_run(const char *name, const json_t *labels);

bool container_is_network_name(const char *text);

/* The network that the run asks for first. */
const char *container_network(const struct request *r);

#endif
