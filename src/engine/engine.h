/* SPDX-License-Identifier: MIT */
/*
 * Where a sandbox runs. An engine makes a sandbox, starts it with the agent inside, and destroys
 * it; everything else about a run (files, output, time, extraction) is the supervisor's and the
 * same on every engine.
 *
 *     prepare()  everything that can be done before the first process of the sandbox
 *     start()    the agent is coming up; the fds to it are there
 *     kill()     everything in the sandbox, at once; returns without waiting
 *     finish()   waits until nothing of it is alive, reads what it used
 *     destroy()  removes what is left; at any moment, also after a failure
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "host/cgroup.h"
#include "image/store.h"
#include "tier/tier.h"
#include "wire/request.h"

struct sandbox {
    const struct engine *engine;
    const struct tier *tier;
    struct image image; /* of the run: its entrypoint, env, user... */

    /* A seccomp program that the agent is to put on itself; NULL: the runtime has done that. */
    char *filter;
    size_t filter_length;
    unsigned pids; /* processes that the agent is to allow; 0: the host's kernel counts them */

    /* from start() on; -1 before */
    int to_agent;     /* frames in */
    int from_agent;   /* frames out */
    int runtime_text; /* what the runtime says on stderr */
    int alive;        /* readable once the sandbox has ended by itself */
    int network;      /* readable once the network is up; -1: it is, or there is none */
    int network_lost; /* readable once it is clear that it never will be */
};

struct engine {
    const char *name;
    int (*prepare)(struct sandbox **out, const char *id, const struct request *r, lr_error *err);
    int (*start)(struct sandbox *s, lr_error *err);
    void (*kill)(struct sandbox *s);
    int (*finish)(struct sandbox *s, struct cgroup_usage *usage, lr_error *err);
    void (*destroy)(struct sandbox *s); /* accepts NULL */
};

/* The engine of that name; "auto" is the one that $LIGHT_RUNNER_ENGINE names, else local.
 * Errors: NOT_SUPPORTED. */
int engine_find(const struct engine **out, const char *name, lr_error *err);

extern const struct engine engine_local;

#endif
