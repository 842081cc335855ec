/* SPDX-License-Identifier: MIT */
/*
 * The seam between the supervisor and the place where a sandbox runs. An engine creates a sandbox,
 * starts it with the agent inside, and destroys it. Everything else about a run (files, output,
 * time, extraction) belongs to the supervisor and is the same on every engine.
 *
 *     available()  tells whether the engine can be used at all
 *     find_image(), pull()  look up and fetch the image, before there is a sandbox
 *     prepare()  does everything that is possible before the sandbox has its first process
 *     start()    starts the agent; the fds to the agent are open afterwards
 *     ready()    is told that the agent has sent its first frame
 *     running()  is told that the command has started
 *     cpu_used() returns the CPU time so far
 *     kill()     kills everything in the sandbox at once; returns without waiting
 *     pause()    freezes or thaws the sandbox, or begins to
 *     paused()   returns the outcome of a pause() that took longer
 *     finish()   waits until nothing in the sandbox is alive, and reads its usage
 *     commit()   after finish(): makes an image of the sandbox's root as it is now
 *     destroy()  removes what is left, at any time, also after a failure
 *
 * The supervisor's loop calls ready(), on_memory(), running(), cpu_used(), kill(), pause() and
 * paused(). They do not block: an engine that depends on a daemon lets another process wait for
 * it. finish() and destroy() may block, for less than the 60 s after which the library gives up
 * on a supervisor.
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
    SANDBOX_ENDED = 1, /* it ended by itself; `said` is complete */
    SANDBOX_NETWORK_UP = 2,
    SANDBOX_NETWORK_LOST = 4, /* the network will never be up */
    SANDBOX_PAUSED = 8,       /* paused() has an outcome to return */
};

/* The number of entries in the supervisor's poll() that sandbox_poll() fills. */
enum { SANDBOX_POLLS = 6 };

/* Only the engine and sandbox.c write to it; the supervisor reads it. */
struct sandbox {
    const struct engine *engine;
    const struct tier *tier;
    struct image image; /* the run's image: its entrypoint, env, user... */
    bool keep;          /* commit() will follow, so the root's content is needed */

    /*
     * The host's kernel, as its `uname -r`, `uname -v` and boot_id: the agent must see the same
     * kernel or another one, depending on the tier. "" where a value is unknown.
     */
    char host_release[65], host_version[65], host_boot[TIER_BOOT_SIZE];
    /* The id map of the user namespace that the engine made (host/id_map.h).
     * NULL: there is none. */
    const char *id_map;
    bool at_least;      /* the engine may use a stronger tier than requested: any kernel will do */
    bool disk_uncapped; /* nothing caps what the sandbox writes outside of its memory */
    bool egress_open;   /* its network may reach addresses that the request does not allow */

    const char *accelerator; /* of its VM, as in lrun_result; NULL: there is no VM */

    /* NAME=value variables for the command. They override the image's and the
     * request's. May be NULL. */
    char *const *env;

    /* A seccomp program that the agent installs on itself. NULL: the runtime has
     * installed its own. */
    char *filter;
    size_t filter_length;
    unsigned filters_min; /* how many filters must be active, including the runtime's */
    /* Name servers that the agent writes to /etc/resolv.conf. If there are none, the
     * engine has done it. */
    struct resolver names;
    unsigned pids; /* how many processes the agent allows; 0: the host's kernel counts them */
    /* Used if `pids` is set: the CPU share that the agent shows inside. 0: it is visible anyway. */
    uint64_t cpu_us;
    /* `said` contains the console of the sandbox's kernel, so "Kernel panic" may
     * appear at any time. */
    bool has_console;
    bool may_end_first; /* the command can kill the agent before the agent reports that it runs */

    unsigned unenforced; /* CGROUP_... limits that are left out, as the request allows */

    /* -1 until start(). The supervisor exchanges frames over the first two;
     * sandbox_poll() uses the rest. */
    int to_agent;     /* frames to the agent */
    int from_agent;   /* frames from the agent */
    int runtime_text; /* the runtime's stderr */
    int alive;        /* readable once the sandbox has ended by itself */
    int network;      /* readable once the network is up; -1: it is up, or there is none */
    int network_lost; /* readable once it is certain that the network will never be up */
    int memory;       /* readable when on_memory() must be called; -1: never */
    int pausing;      /* readable when paused() must be called; -1: no pause() is under way */

    /* The beginning of what runtime_text has delivered. The content may be hostile. */
    char said[SANDBOX_SAID_MAX + 1];
    size_t said_length;
};

/* Initializes a sandbox before anything of it exists. Each prepare() calls it. */
void sandbox_init(struct sandbox *s, const struct engine *engine, bool keep);

/* Fills in what to poll for. Call it only after start(). */
void sandbox_poll(const struct sandbox *s, struct pollfd polls[SANDBOX_POLLS]);

/* Handles the events that poll() has returned. Returns sandbox_event bits. */
unsigned sandbox_turn(struct sandbox *s, const struct pollfd polls[SANDBOX_POLLS]);

/* Whether the runtime's stderr has been read to its end. */
bool sandbox_is_silent(const struct sandbox *s);

/* The part of destroy() that is the same on every engine. */
void sandbox_close(struct sandbox *s);

/* Adds a hint to the error of a failed start: the engine's own, or else a general one. */
void sandbox_explain(const struct sandbox *s, const char *tier, lrun_error *err);

/* How many sandboxes, and volumes of runs, reap() has removed. */
struct engine_reaped {
    unsigned containers, volumes;
};

/* What destroy() may leave behind. Each has the run's id as its name. */
enum { ENGINE_LEFT_CONTAINER = 1, ENGINE_LEFT_VOLUME = 2, ENGINE_LEFT_NETWORK = 4 };

enum engine_network_action {
    ENGINE_NETWORK_CREATE,
    ENGINE_NETWORK_REMOVE,
    ENGINE_NETWORK_EXISTS, /* sets *count to 1 if it exists */
    ENGINE_NETWORK_PRUNE,  /* takes no name; adds the number removed to *count */
};

/* The networks that exist on every engine. In the default one, a run can connect to the outside,
 * and runs cannot reach each other. */
#define ENGINE_NETWORK_NONE    "none"
#define ENGINE_NETWORK_DEFAULT REQUEST_NETWORK_DEFAULT

/* The repository name of images that setup steps produce (run/steps.h). */
#define ENGINE_SETUP_REPOSITORY ORDER_COMMIT_REPOSITORY

struct engine {
    const char *name;
    /*
     * Sets a callback that blocking calls invoke about once a second; a non-zero return aborts the
     * call. A NULL tick removes it. The member is NULL in an engine that never waits for anything.
     */
    void (*watch)(int (*tick)(void *user), void *user);
    /* Whether the engine answers and, if `tier` is set, has that tier. For
     * `doctor`, and to choose. */
    int (*available)(const char *tier, lrun_error *err);
    /* Sets *digest to the image's digest, malloc'd; to NULL if the engine does
     * not have the image. */
    int (*find_image)(const char *name, char **digest, lrun_error *err);
    /* Returns everything that is known about an image; free *out with image_free().
     * Errors: IMAGE_NOT_FOUND, CONTAINER_START_FAILED. */
    int (*describe_image)(const char *name, struct image *out, lrun_error *err);
    /* Imports an archive or a folder, see image/import.h. *out is as from describe_image(). */
    int (*import_image)(int fd, const char *name, struct image *out,
                        struct image_feedback *feedback, lrun_error *err);
    /* Returns the images that have a name, sorted by name. Free *out with store_list_free(). */
    int (*list_images)(struct image **out, size_t *count, lrun_error *err);
    /* Errors: IMAGE_NOT_FOUND, IO_FAILED (Docker: a container uses it). */
    int (*remove_image)(const char *name, lrun_error *err);
    /* Pulls an image from its registry. Blocks; feedback->progress can stop it. */
    int (*pull)(const char *name, struct image_feedback *feedback, lrun_error *err);
    int (*prepare)(struct sandbox **out, const char *id, const struct request *r, bool keep,
                   lrun_error *err);
    int (*start)(struct sandbox *s, lrun_error *err);
    /* Adds a better hint, if there is one, to the error of a failed start. `said` is its message.
     * NULL: the engine has no hints of its own. */
    void (*explain)(const char *tier, const char *said, lrun_error *err);
    /* The agent is there, the command is not yet. NULL: the engine has nothing to do then. */
    void (*ready)(struct sandbox *s);
    /* Called when `memory` is readable: the sandbox may have run out of memory. Read the counters
     * immediately, they may be gone a moment later. NULL: `memory` is never set. */
    void (*on_memory)(struct sandbox *s);
    /* The command has started: earlier usage is not its own. NULL: nothing worth
     * counting is used before. */
    void (*running)(struct sandbox *s);
    /* Returns the CPU time of the whole sandbox so far, including its start, in microseconds. Call
     * it only after ready(). -1: nothing counts the CPU time. */
    int (*cpu_used)(const struct sandbox *s, uint64_t *us);
    void (*kill)(struct sandbox *s);
    /* Freezes or thaws everything in the sandbox. Returns 0: done; 1: under way, and
     * sandbox.pausing is set. Only one call may be under way. */
    int (*pause)(struct sandbox *s, bool on, lrun_error *err);
    /* Returns the outcome of a pause() that was under way. After a failure the sandbox may be
     * frozen or not. NULL: pause() never returns 1. */
    int (*paused)(struct sandbox *s, lrun_error *err);
    int (*finish)(struct sandbox *s, struct cgroup_usage *usage, lrun_error *err);
    /* The new image has the configuration of the sandbox's image. */
    int (*commit)(struct sandbox *s, const char *name, lrun_error *err);
    /* Returns ENGINE_LEFT_... bits for what could not be removed or may still
     * exist. Accepts NULL. */
    unsigned (*destroy)(struct sandbox *s);
    /* Removes what is left of runs whose supervisor was killed, if it is older than min_age_ms.
     * Adds to *out. */
    int (*reap)(int64_t min_age_ms, struct engine_reaped *out, lrun_error *err);
    int (*network)(enum engine_network_action action, const char *name, unsigned *count,
                   lrun_error *err);
    /* Removes images of setup steps that are not in use. */
    int (*clean_images)(unsigned *count, lrun_error *err);
};

/*
 * Finds the engine of that name. "auto" means the engine that $LIGHT_RUNNER_ENGINE names; otherwise
 * docker if DOCKER_HOST is set or a daemon answers at Docker's usual socket; otherwise local.
 * Errors: NOT_SUPPORTED, IO_FAILED (the engine's module is missing).
 */
int engine_find(const struct engine **out, const char *name, lrun_error *err);

/* Whether the choice is ours: the name is "auto", and $LIGHT_RUNNER_ENGINE names no engine. */
bool engine_is_automatic(const char *name);

/*
 * Like engine_find() for the request's engine, but "auto" means the local engine if its store has
 * the image, so that an imported image is the one that runs. This does not apply to a request that
 * names a network, as the local engine has no named networks.
 */
int engine_find_for_run(const struct engine **out, const struct request *r, lrun_error *err);

/*
 * If neither engine has the image, it comes from a registry, and "auto" can use either engine. Sets
 * *engine to the local engine if only that has the tier. Asks the daemon. Errors: those of
 * find_image().
 */
int engine_prefer_tier(const struct engine **engine, const struct request *r, lrun_error *err);

/*
 * Chooses where "auto" puts an image: in the local store, unless this user cannot run there (the
 * OCI runtime, `program`, or an ordinary user's cgroups are missing) and Docker answers.
 * Errors: as engine_find().
 */
int engine_find_for_image(const struct engine **out, const char *name, const char *program,
                          lrun_error *err);

/*
 * Returns the engine docker if this user has Docker, for operations that cover every engine (the
 * local one always exists). That is the case if DOCKER_HOST, DOCKER_CONTEXT or LIGHT_RUNNER_ENGINE
 * says so; if a process listens at Docker's usual socket; or if the configuration of Docker's
 * client or $XDG_RUNTIME_DIR/docker.sock leads to a daemon that answers. Otherwise *out is NULL.
 * Errors: as engine_find().
 */
int engine_find_docker(const struct engine **out, lrun_error *err);

/* Whether the run has no network. "none" overrides any other network in the list. */
bool engine_without_network(const struct request *r);

/*
 * Returns the absolute working directory, malloc'd: the request's; otherwise the image's, if the
 * image's own command runs or if setup steps become part of the image; otherwise the default.
 * Errors: INVALID_ARGUMENT, IMAGE_INVALID.
 */
int engine_workdir(char **out, const struct request *r, const struct image *image, bool keep,
                   lrun_error *err);

/* Returns the directory that the request names, or the image's where that counts. NULL: neither, so
 * the default applies. Borrowed. */
const char *engine_named_workdir(const struct request *r, const struct image *image, bool keep);

extern const struct engine engine_local;

/* The engine docker is in a module, which is loaded on demand: libcurl and its dependencies would
 * double the time of a run on the local engine. */
#define ENGINE_DOCKER_MODULE "light-runner-engine-docker.so"
LRUN_API extern const struct engine engine_docker;

#endif
