/* SPDX-License-Identifier: MIT */
/*
 * What differs between the tiers of the local engine: one table per tier. local.c and prepare.c
 * call it step by step. They do what is the same for all tiers themselves: names, ids, cgroup,
 * namespaces, network, and removing everything.
 */
#ifndef ENGINE_LOCAL_BACKEND_H
#define ENGINE_LOCAL_BACKEND_H

#include "engine/local/local_sandbox.h"

/* Data that is needed only while a sandbox is prepared. */
enum { LOCAL_KEEPER_PIDS = 1 }; /* the process that keeps a container */

struct local_plan {
    struct local_sandbox *sandbox;
    const struct sandbox_spec *spec;
    struct store *store;
    int image;            /* the image's file */
    char *scratch_folder; /* keeps files between runs: templates, compiled filters */
    struct cgroup_limits limits;
    const struct tick *tick; /* the engine's: asked during long operations */
};

/* Functions return 0, or -1 with an error. A NULL function means that there is nothing to do. */
struct local_backend {
    bool needs_root;    /* it requires root on the host */
    bool has_vm;        /* options.accelerator applies */
    bool sees_devices;  /* the host's devices, and so its GPUs, can be made visible inside */
    bool keeps_root;    /* files written in the sandbox can be read afterwards, for commit() */
    bool agent_filters; /* the agent installs the seccomp filter, whatever the request says */
    bool maps_high_ids; /* the host maps ids above 65535; otherwise the sandbox has all of them */
    bool names_agent;   /* an OCI runtime starts the agent by its path in the root */
    bool always_namespaces; /* we make a user namespace for it even if it has no network */
    bool early_network;     /* and a network namespace */

    /* Whether the tier's files are installed. For `doctor`. */
    int (*available)(lrun_error *err);
    /* Adjusts the cgroup's limits and the filter, and sets the limits that the agent enforces. */
    int (*adapt)(struct local_plan *p, lrun_error *err);
    /* Begins what takes long in make_root(). */
    int (*begin_root)(struct local_plan *p, lrun_error *err);
    /* Opens the supervisor's fds (sandbox.to_agent and so on), and the other ends of them. */
    int (*open_channel)(struct local_sandbox *s, lrun_error *err);
    int (*make_root)(struct local_plan *p, lrun_error *err);
    /* Does everything else that must be done before start(). */
    int (*configure)(struct local_plan *p, lrun_error *err);
    int (*start)(struct local_sandbox *s, lrun_error *err);
    /* The agent has sent its first frame; the command is not there yet. -1: the run cannot
     * continue. */
    int (*ready)(struct local_sandbox *s);
    /* The command has started. -1: the run cannot continue. */
    int (*running)(struct local_sandbox *s);
    /* NULL: the sandbox is frozen by its cgroup. */
    int (*pause)(struct local_sandbox *s, bool on, lrun_error *err);
    /* Asks the sandbox to kill everything in it and to end. False: it has to be
     * killed from outside. */
    bool (*ask_to_end)(struct local_sandbox *s);
    /* Waits for that end for a short time, then kills the sandbox. */
    void (*await_end)(struct local_sandbox *s);
    /* Corrects *usage, which holds the cgroup's counts. */
    void (*correct_usage)(const struct local_sandbox *s, struct cgroup_usage *usage);
    /* Makes LOCAL_ROOT readable, so that commit() can make an image of it. */
    int (*open_root)(const struct local_sandbox *s, lrun_error *err);
    void (*close)(struct local_sandbox *s);
};

/* A container on the host's kernel, gVisor, and a VM. */
extern const struct local_backend local_container, local_gvisor, local_vm;

const struct local_backend *backend_of_tier(const struct tier *tier);

/* Whether this user may use the tier. Errors: NOT_SUPPORTED. */
int backend_check_user(const struct tier *tier, lrun_error *err);

/* Writes LOCAL_RESOLV_CONF, which becomes /etc/resolv.conf in a sandbox with a network. */
int backend_write_resolv_conf(const struct local_sandbox *s, lrun_error *err);

/* Keeps the image's file open as image_fd, with an fd number of at least `from`. */
int backend_keep_image(struct local_plan *p, int from, lrun_error *err);

#endif
