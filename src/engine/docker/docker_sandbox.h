/* SPDX-License-Identifier: MIT */
/*
 * The sandbox of a run on the engine docker, from its container's creation (prepare.c) to its
 * removal.
 */
#ifndef ENGINE_DOCKER_DOCKER_SANDBOX_H
#define ENGINE_DOCKER_DOCKER_SANDBOX_H

#include "engine/docker/call.h"
#include "engine/docker/docker_engine.h"
#include "engine/docker/network.h"
#include "engine/sandbox.h"
#include "tier/agent_name.h"

struct docker_sandbox {
    struct sandbox base; /* first: the engine's table is called with a pointer to it */
    struct docker_engine *engine;
    struct daemon *daemon; /* the engine's */
    char id[48];           /* the name of the container, the volume, and the run's own network */
    char owner[PROCESS_IDENTITY_SIZE]; /* the supervisor, which owns all of them */
    char *agent;                       /* the agent's path on this machine */
    char network_id[NETWORK_ID_SIZE];  /* the default network's; "": another one, or id unknown */
    char agent_at[AGENT_NAME_SIZE];    /* the agent's path in the container */
    bool container, volume, network;   /* the run's own exists, or may exist */
    bool started, stopped;
    bool maybe_paused; /* a call was made since the last unpause that succeeded */
    bool pausing;      /* the call under way is a pause, not an unpause */
    struct call call;
    int facts;             /* relay_pipes.facts; -1: not started, or read already */
    int64_t end_by;        /* deadline of the end, by clock_ms(); 0: the end has not begun */
    struct cgroup *cgroup; /* the container's, made by the daemon; NULL: not here, or not found */
    bool looked;           /* `usage` has been read */
    struct cgroup_usage usage;
    struct process relay;
};

/* Returns a sandbox for the run with this id, of which nothing exists yet, or NULL if memory is out.
 * Destroy it with docker_sandbox_destroy(). */
struct docker_sandbox *docker_sandbox_make(struct docker_engine *e, const char *id, bool keep_root);

/* Removes the container, the volume and the network. Returns SANDBOX_LEFT_... bits. */
unsigned docker_sandbox_destroy(struct sandbox *base);

#endif
