/* SPDX-License-Identifier: MIT */
/*
 * A sandbox, as the supervisor sees it, whichever engine has prepared it. Everything else about a
 * run (files, output, time, extraction) belongs to the supervisor and is the same on every engine.
 *
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
#ifndef ENGINE_SANDBOX_H
#define ENGINE_SANDBOX_H

#include "host/cgroup.h"
#include "host/resolver.h"
#include "image/image.h"
#include "tier/tier.h"

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

/* What destroy() may leave behind. Each has the run's id as its name. */
enum { SANDBOX_LEFT_CONTAINER = 1, SANDBOX_LEFT_VOLUME = 2, SANDBOX_LEFT_NETWORK = 4 };

struct sandbox;

/* What an engine does with a sandbox that it has prepared. */
struct sandbox_ops {
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
    /* Returns how many processes have been killed so far because the memory was used up. -1 or NULL:
     * that is not known before finish(). */
    int (*oom_kills)(const struct sandbox *s, uint64_t *count);
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
    /* Returns SANDBOX_LEFT_... bits for what could not be removed or may still
     * exist. Accepts NULL. */
    unsigned (*destroy)(struct sandbox *s);
    /* destroy() never returns a bit, so the result does not have to wait for it. */
    bool leaves_nothing;
};

/* Only the engine and sandbox.c write to it; the supervisor reads it. */
struct sandbox {
    const struct sandbox_ops *ops;
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
    bool at_least; /* the engine may use a stronger tier than requested: any kernel will do */

    const char *accelerator; /* of its VM, as in lrun_result; NULL: there is no VM */

    /* NAME=value variables for the command. They override the image's and the
     * request's. May be NULL. */
    char *const *env;

    /* A seccomp program that the agent installs on itself. NULL: the launcher or the runtime has
     * installed one. */
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
    int runtime_text; /* stderr of the launcher or the runtime */
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
void sandbox_init(struct sandbox *s, const struct sandbox_ops *ops, bool keep);

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

#endif
