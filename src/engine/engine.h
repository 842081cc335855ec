/* SPDX-License-Identifier: MIT */
/*
 * The seam between the supervisor and the places where sandboxes run. An engine prepares a sandbox;
 * sandbox.h has what happens to it from then on.
 *
 *     open()     finds out whether the engine can be used, and which abilities it has
 *     available()  tells whether it has a tier
 *     find_image(), pull()  look up and fetch the image, before there is a sandbox
 *     prepare()  does everything that is possible before the sandbox has its first process
 *     reap()     removes what is left of runs whose supervisor was killed
 *     close()    ends what open() began. Sandboxes must have been destroyed
 *
 * A caller never asks which engine it has: it asks for an ability. Several engines, and several of
 * one kind, may be open in one process. An open engine belongs to that process: a child that needs
 * one opens its own.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "base/tick.h"
#include "engine/sandbox.h"
#include "engine/sandbox_spec.h"
#include "image/feedback.h"
#include "image/store.h"
#include "wire/order.h"

/* What an open engine can do, as bits. */
enum engine_ability {
    ENGINE_NETWORKS = 1,    /* network(), and runs in networks by name */
    ENGINE_EGRESS = 2,      /* blocks the addresses that a run's allowEgress leaves out */
    ENGINE_DISK_CAP = 4,    /* caps the disk of every run. Without it, at most that of runs that ask
                             * for a cap */
    ENGINE_ACCELERATOR = 8, /* chooses what runs a VM, so that options.accelerator can be obeyed */
    ENGINE_EMBEDDED = 16,   /* has no daemon: this machine's kernel and programs are all it needs */
};

struct engine_ops;

/* An open engine: the first member of each engine's own struct. */
struct engine {
    const struct engine_ops *ops;
    unsigned abilities; /* engine_ability bits */
    /* Asked by calls that block, as it is at the time. The caller may change it at any time. */
    struct tick tick;
};

/* How many sandboxes, and volumes of runs, reap() has removed. */
struct engine_reaped {
    unsigned containers, volumes;
};

enum engine_network_action {
    ENGINE_NETWORK_CREATE,
    ENGINE_NETWORK_REMOVE,
    ENGINE_NETWORK_EXISTS, /* sets *count to 1 if it exists */
    ENGINE_NETWORK_PRUNE,  /* takes no name; adds the number removed to *count */
};

/* The repository name of images that setup steps produce (run/steps.h). */
#define ENGINE_SETUP_REPOSITORY ORDER_COMMIT_REPOSITORY

struct engine_ops {
    const char *name;
    /* Opens the engine. Blocks while a daemon is asked; `tick` can end that, and becomes the tick of
     * the engine. Errors: why the engine cannot be used. */
    int (*open)(struct engine **out, const struct tick *tick, lrun_error *err);
    void (*close)(struct engine *e);
    /* Whether the engine has that tier. For `doctor`, and to choose. */
    int (*available)(struct engine *e, const char *tier, lrun_error *err);
    /* Sets *digest to the image's digest, malloc'd; to NULL if the engine does
     * not have the image. */
    int (*find_image)(struct engine *e, const char *name, char **digest, lrun_error *err);
    /* Returns everything that is known about an image; free *out with image_free().
     * Errors: IMAGE_NOT_FOUND, CONTAINER_START_FAILED. */
    int (*describe_image)(struct engine *e, const char *name, struct image *out, lrun_error *err);
    /* Imports an archive or a folder, see image/import.h. *out is as from describe_image(). */
    int (*import_image)(struct engine *e, int fd, const char *name, struct image *out,
                        struct image_feedback *feedback, lrun_error *err);
    /* Returns the images that have a name, sorted by name. Free *out with store_list_free(). */
    int (*list_images)(struct engine *e, struct image **out, size_t *count, lrun_error *err);
    /* Errors: IMAGE_NOT_FOUND, IO_FAILED (Docker: a container uses it). */
    int (*remove_image)(struct engine *e, const char *name, lrun_error *err);
    /* Pulls an image from its registry. `insecure`: the registry need not prove who it is; an engine
     * that cannot be told so returns NOT_SUPPORTED. Blocks; feedback->progress can stop it. */
    int (*pull)(struct engine *e, const char *name, bool insecure, struct image_feedback *feedback,
                lrun_error *err);
    /* *out may not borrow from the spec. */
    int (*prepare)(struct engine *e, struct sandbox **out, const struct sandbox_spec *spec,
                   lrun_error *err);
    /* Removes what is left of runs whose supervisor was killed, if it is older than min_age_ms.
     * Adds to *out. */
    int (*reap)(struct engine *e, int64_t min_age_ms, struct engine_reaped *out, lrun_error *err);
    /* NULL if the engine lacks ENGINE_NETWORKS. Call it through engine_network(). */
    int (*network)(struct engine *e, enum engine_network_action action, const char *name,
                   unsigned *count, lrun_error *err);
    /* Removes images of setup steps that are not in use. */
    int (*clean_images)(struct engine *e, unsigned *count, lrun_error *err);
};

/* Closes an engine. Accepts NULL. */
void engine_close(struct engine *e);

static inline void cleanup_engine_ptr(struct engine **e)
{
    engine_close(*e);
}
#define cleanup_engine __attribute__((cleanup(cleanup_engine_ptr)))

static inline bool engine_can(const struct engine *e, enum engine_ability ability)
{
    return (e->abilities & ability) != 0;
}

/* Does something to networks. Errors: NOT_SUPPORTED; otherwise the engine's. */
int engine_network(struct engine *e, enum engine_network_action action, const char *name,
                   unsigned *count, lrun_error *err);

/* Rejects the parts of a spec for which the engine lacks the ability. Errors: NOT_SUPPORTED. */
int engine_check(const struct engine *e, const struct sandbox_spec *spec, lrun_error *err);

/*
 * The functions below open an engine, which the caller closes with engine_close(). `tick` as in
 * engine_ops.open(); NULL: there is none.
 */

/*
 * Opens the engine of that name. "auto" means the engine that $LIGHT_RUNNER_ENGINE names; otherwise
 * docker if DOCKER_HOST is set or a daemon answers at Docker's usual socket; otherwise local.
 * Errors: NOT_SUPPORTED, IO_FAILED (the engine's module is missing), those of open().
 */
int engine_open(struct engine **out, const char *name, const struct tick *tick, lrun_error *err);

/* Whether the choice is ours: the name is "auto", and $LIGHT_RUNNER_ENGINE names no engine. */
bool engine_is_automatic(const char *name);

/*
 * Like engine_open(), but "auto" means the local engine if its store has
 * the image, so that an imported image is the one that runs. This does not apply to a spec that
 * names a network, as the local engine has no named networks.
 */
int engine_open_for_run(struct engine **out, const char *name, const struct sandbox_spec *spec,
                        const struct tick *tick, lrun_error *err);

/*
 * If neither engine has the image, it comes from a registry, and "auto" can use either engine.
 * Replaces *engine by the local engine if only that has the tier. Asks the daemon. Errors: those of
 * find_image().
 */
int engine_prefer_tier(struct engine **engine, const char *name, const struct sandbox_spec *spec,
                       lrun_error *err);

/*
 * Chooses where "auto" puts an image: in the local store, unless this user cannot run there (the
 * kernel is too old, or `program` or an ordinary user's cgroups are missing) and Docker answers.
 * Errors: as engine_open().
 */
int engine_open_for_image(struct engine **out, const char *name, const char *program,
                          const struct tick *tick, lrun_error *err);

/* The most engines that engine_open_used() opens. */
enum { ENGINES_MAX = 2 };

/*
 * Opens the engines that this user has, for operations that cover every engine: the local one,
 * which comes first, and docker. A user has Docker if DOCKER_HOST, DOCKER_CONTEXT or
 * LIGHT_RUNNER_ENGINE says so; if a process listens at Docker's usual socket; or if the
 * configuration of Docker's client or $XDG_RUNTIME_DIR/docker.sock leads to a daemon that answers.
 *
 * Engines that this user has but that cannot be opened (a daemon is down) are left out, and *err
 * says why of one of them; otherwise err->code is LRUN_OK. Returns the number of open engines, at
 * least 1, or -1.
 */
int engine_open_used(struct engine *out[ENGINES_MAX], const struct tick *tick, lrun_error *err);

/* Whether the local engine has an image of that name. */
bool engine_local_has_image(const char *name);

extern const struct engine_ops engine_local;

/* The engine docker is in a module, which is loaded on demand: libcurl and its dependencies would
 * double the time of a run on the local engine. */
#define ENGINE_DOCKER_MODULE "light-runner-engine-docker.so"
LRUN_API extern const struct engine_ops engine_docker;

#endif
