/* SPDX-License-Identifier: MIT */
/*
 * Where a sandbox runs. An engine makes a sandbox, starts it with the agent inside, and destroys
 * it; everything else about a run (files, output, time, extraction) is the supervisor's and the
 * same on every engine.
 *
 *     available()  whether it can be used at all
 *     find_image(), pull()  the image, before there is a sandbox
 *     prepare()  everything that can be done before the first process of the sandbox
 *     start()    the agent is coming up; the fds to it are there
 *     ready()    the agent has spoken
 *     running()  the command has begun
 *     cpu_used() how much CPU time has gone by
 *     kill()     everything in the sandbox, at once; returns without waiting
 *     pause()    freezes and thaws it, or begins to
 *     paused()   the end of that
 *     finish()   waits until nothing of it is alive, reads what it used
 *     commit()   after that: an image of what is in its root now
 *     destroy()  removes what is left; at any moment, also after a failure
 *
 * The supervisor's loop calls ready(), on_memory(), running(), cpu_used(), kill(), pause() and paused(). They do not block: an engine
 * that has to ask somebody else has that done by another process. What finish() and destroy() ask takes less than the 60 s
 * after which the library gives a supervisor up.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "host/cgroup.h"
#include "host/resolver.h"
#include "image/feedback.h"
#include "image/store.h"
#include "tier/tier.h"
#include "wire/order.h"
#include "wire/request.h"

#include <poll.h>

enum { SANDBOX_SAID_MAX = 4096 };

/* What has happened to a sandbox, as bits. */
enum sandbox_event {
    SANDBOX_ENDED = 1, /* by itself; all that it has said is there */
    SANDBOX_NETWORK_UP = 2,
    SANDBOX_NETWORK_LOST = 4, /* it never will be up */
    SANDBOX_PAUSED = 8,       /* paused() has something to say */
};

/* Places in the supervisor's poll() that sandbox_poll() fills. */
enum { SANDBOX_POLLS = 6 };

/* Its engine writes to it, and sandbox.c; the supervisor only reads. */
struct sandbox {
    const struct engine *engine;
    const struct tier *tier;
    struct image image; /* of the run: its entrypoint, env, user... */
    bool keep;          /* commit() follows: what is in its root is wanted */

    /* The kernel that it must be seen on, or not, as uname -r and -v and its boot_id have it; what is unknown is "". */
    char host_release[65], host_version[65], host_boot[TIER_BOOT_SIZE];
    const char
        *id_map; /* of the user namespace that the engine made for it (host/id_map.h); NULL: none */
    bool at_least;      /* whoever starts it may have a stronger wall than was asked for */
    bool disk_uncapped; /* nothing caps what it writes outside of its memory */
    bool egress_open;   /* its network may reach addresses that the request does not allow */

    const char *accelerator; /* of its VM, as lrun_result has it; NULL: there is none */

    /* NAME=value for the command, over the image's and the request's; NULL: nothing. */
    char *const *env;

    /* A seccomp program that the agent is to put on itself; NULL: the runtime has done that. */
    char *filter;
    size_t filter_length;
    unsigned filters_min; /* how many filters are to be on, the runtime's included */
    /* Name servers that the agent is to write down; none: the engine has done that. */
    struct resolver names;
    unsigned pids; /* processes that the agent is to allow; 0: the host's kernel counts them */
    uint64_t
        cpu_us; /* with pids: the share of the processors that the agent is to show; 0: it is seen without that */
    bool
        has_console; /* its kernel's console is in `said`, so "Kernel panic" may come at any time */
    bool may_end_first; /* the command can kill the agent before the agent has said that it runs */

    unsigned unenforced; /* CGROUP_... limits that the request allows to be left out, and are */

    /* From start() on; -1 before. The supervisor has frames for these two; the others are for sandbox_poll(). */
    int to_agent;     /* frames in */
    int from_agent;   /* frames out */
    int runtime_text; /* what the runtime says on stderr */
    int alive;        /* readable once the sandbox has ended by itself */
    int network;      /* readable once the network is up; -1: it is, or there is none */
    int network_lost; /* readable once it is clear that it never will be */
    int memory;       /* readable when on_memory() is to look; -1: never */
    int pausing;      /* readable when paused() is to be called; -1: no pause() is under way */

    char said[SANDBOX_SAID_MAX +
              1]; /* what has come of runtime_text, from its beginning. It may be hostile */
    size_t said_length;
};

/* For prepare(): nothing of it is there yet. */
void sandbox_init(struct sandbox *s, const struct engine *engine, bool keep);

/* What to poll for, from start() on. */
void sandbox_poll(const struct sandbox *s, struct pollfd polls[SANDBOX_POLLS]);

/* Takes in what poll() has found: sandbox_event bits. */
unsigned sandbox_turn(struct sandbox *s, const struct pollfd polls[SANDBOX_POLLS]);

/* Whether all that the runtime says has come. */
bool sandbox_is_silent(const struct sandbox *s);

/* For destroy(): what is the same on every engine. */
void sandbox_close(struct sandbox *s);

/* Gives the error of a start that has failed the hint that the engine knows, or a general one. */
void sandbox_explain(const struct sandbox *s, const char *tier, lrun_error *err);

/* How many runs, volumes of runs. */
struct engine_reaped {
    unsigned containers, volumes;
};

/* What may be left of a sandbox; all has the run's id as its name. */
enum { ENGINE_LEFT_CONTAINER = 1, ENGINE_LEFT_VOLUME = 2, ENGINE_LEFT_NETWORK = 4 };

enum engine_network_action {
    ENGINE_NETWORK_CREATE,
    ENGINE_NETWORK_REMOVE,
    ENGINE_NETWORK_EXISTS, /* *count: 1 if so */
    ENGINE_NETWORK_PRUNE,  /* no name; *count: how many were removed */
};

/* The networks that are there on every engine. In the default one connections lead out, and runs do not reach one
 * another. */
#define ENGINE_NETWORK_NONE    "none"
#define ENGINE_NETWORK_DEFAULT REQUEST_NETWORK_DEFAULT

/* Images that are made of setup steps are named so (run/steps.h). */
#define ENGINE_SETUP_REPOSITORY ORDER_COMMIT_REPOSITORY

struct engine {
    const char *name;
    /* Who is to be asked, while other calls block, whether to go on: about once a second; other than 0: no. A
     * NULL tick: nobody. The whole is NULL for an engine that never waits for anybody else. */
    void (*watch)(int (*tick)(void *user), void *user);
    /* Whether it answers, and with a tier's name whether that can be had: for `doctor`, and for a choice. */
    int (*available)(const char *tier, lrun_error *err);
    /* *digest is that of the image, malloc'd; NULL: the engine does not have it. */
    int (*find_image)(const char *name, char **digest, lrun_error *err);
    /* All that is known of one; free *out with image_free(). Errors: IMAGE_NOT_FOUND, CONTAINER_START_FAILED. */
    int (*describe_image)(const char *name, struct image *out, lrun_error *err);
    /* Of an archive or a folder, as image/import.h has it. *out as from describe_image(). */
    int (*import_image)(int fd, const char *name, struct image *out,
                        struct image_feedback *feedback, lrun_error *err);
    /* Those that have a name, by their names. Free *out with store_list_free(). */
    int (*list_images)(struct image **out, size_t *count, lrun_error *err);
    /* Errors: IMAGE_NOT_FOUND, IO_FAILED (Docker: a container uses it). */
    int (*remove_image)(const char *name, lrun_error *err);
    /* From its registry. Blocks; feedback->progress can stop it. */
    int (*pull)(const char *name, struct image_feedback *feedback, lrun_error *err);
    int (*prepare)(struct sandbox **out, const char *id, const struct request *r, bool keep,
                   lrun_error *err);
    int (*start)(struct sandbox *s, lrun_error *err);
    /* A better hint for a start that has failed, of which `said` is told; or none. NULL: there is never one. */
    void (*explain)(const char *tier, const char *said, lrun_error *err);
    /* The agent is there, and the command is not yet. Engines that have nothing to do then: NULL. */
    void (*ready)(struct sandbox *s);
    /* It may have run out of memory, which is to be seen at once or not at all. NULL: never asked for. */
    void (*on_memory)(struct sandbox *s);
    /* The command has begun: what was used before is not its own. NULL: nothing that would count is. */
    void (*running)(struct sandbox *s);
    /* The CPU time of the whole sandbox so far, its start included: microseconds. From ready() on. -1: nothing counts it. */
    int (*cpu_used)(const struct sandbox *s, uint64_t *us);
    void (*kill)(struct sandbox *s);
    /* Freezes everything in it, or thaws it. 0: that is done; 1: it is under way, and sandbox.pausing is set. One at a time. */
    int (*pause)(struct sandbox *s, bool on, lrun_error *err);
    /* What came of it. After a failure it may be either. NULL: pause() is never under way. */
    int (*paused)(struct sandbox *s, lrun_error *err);
    int (*finish)(struct sandbox *s, struct cgroup_usage *usage, lrun_error *err);
    /* Its configuration is that of the sandbox's image. */
    int (*commit)(struct sandbox *s, const char *name, lrun_error *err);
    /* ENGINE_LEFT_...: what could not be removed, or may be there yet. Accepts NULL. */
    unsigned (*destroy)(struct sandbox *s);
    /* Removes what is left of runs whose supervisor was killed, if it is older than min_age_ms. Adds to *out. */
    int (*reap)(int64_t min_age_ms, struct engine_reaped *out, lrun_error *err);
    int (*network)(enum engine_network_action action, const char *name, unsigned *count,
                   lrun_error *err);
    /* Removes images of setup steps that nothing uses. */
    int (*clean_images)(unsigned *count, lrun_error *err);
};

/*
 * The engine of that name. "auto" is the one that $LIGHT_RUNNER_ENGINE names, else docker where DOCKER_HOST is
 * set or a daemon answers at Docker's usual socket, else local.
 * Errors: NOT_SUPPORTED, IO_FAILED (an engine's module is missing).
 */
int engine_find(const struct engine **out, const char *name, lrun_error *err);

/* Whether the name leaves the choice to us: "auto", and $LIGHT_RUNNER_ENGINE says nothing else. */
bool engine_is_automatic(const char *name);

/*
 * As engine_find(), of the request's engine; but "auto" is the local engine for an image that its store has, so that what was
 * imported is what runs. Not for a request that names a network, which the local engine does not have.
 */
int engine_find_for_run(const struct engine **out, const struct request *r, lrun_error *err);

/*
 * An image that neither engine has comes from a registry, so "auto" takes it to the one that has the tier: *engine becomes
 * the local engine where only that one does. Asks the daemon. Errors: those of find_image().
 */
int engine_prefer_tier(const struct engine **engine, const struct request *r, lrun_error *err);

/*
 * Where "auto" puts an image: into the local store, unless this user's runs cannot be there (the OCI runtime, `program`, or
 * an ordinary user's cgroups are missing) and Docker answers. Errors: as engine_find().
 */
int engine_find_for_image(const struct engine **out, const char *name, const char *program,
                          lrun_error *err);

/* Docker's, where somebody uses it: DOCKER_HOST, DOCKER_CONTEXT or LIGHT_RUNNER_ENGINE says so, or somebody listens at its
 * usual socket; or its client's configuration or $XDG_RUNTIME_DIR/docker.sock leads to a daemon that answers. Else *out is
 * NULL. For what is done on every engine; the local one is always there. Errors: as engine_find(). */
int engine_find_docker(const struct engine **out, lrun_error *err);

/* Whether the run is to have no network. "none" wins over whatever is named beside it. */
bool engine_without_network(const struct request *r);

/*
 * The working directory, absolute: what the request says; else, with the image's own command or for steps that
 * become part of it, the image's own; else the usual one. malloc'd. Errors: IMAGE_INVALID.
 */
int engine_workdir(char **out, const struct request *r, const struct image *image, bool keep,
                   lrun_error *err);

/* The one that the request names, or the image's own where that counts. NULL: it is the usual one. Borrowed. */
const char *engine_named_workdir(const struct request *r, const struct image *image, bool keep);

extern const struct engine engine_local;

/* In a module of its own, which is loaded when it is asked for: libcurl and what that takes with it would
 * double the time that a run on the local engine takes. */
#define ENGINE_DOCKER_MODULE "light-runner-engine-docker.so"
LRUN_API extern const struct engine engine_docker;

#endif
