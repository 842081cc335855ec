/* SPDX-License-Identifier: MIT */
/*
 * What differs between the tiers of the local engine: one table per tier. local.c calls it step by step, and does itself
 * what is the same for all: names, ids, cgroup, namespaces, network, and removing everything.
 */
#ifndef ENGINE_LOCAL_BACKEND_H
#define ENGINE_LOCAL_BACKEND_H

#include "engine/local/local_sandbox.h"

/* What is known while a sandbox is prepared, and not needed afterwards. */
struct local_plan {
    struct local_sandbox *sandbox;
    const struct request *request;
    struct store *store;
    int image;            /* the image's file */
    char *scratch_folder; /* for what is kept between runs: templates, compiled filters */
    struct cgroup_limits limits;
    int (*tick)(void *user); /* asked while something takes long; other than 0: stop. May be NULL */
    void *user;
};

/* Functions return 0, or -1 with an error. A function that is NULL has nothing to do. */
struct local_backend {
    bool needs_root;    /* it takes root on the host */
    bool has_vm;        /* options.accelerator means something */
    bool sees_devices;  /* the host's devices, and so its GPUs, are in reach */
    bool keeps_root;    /* what is written in the sandbox can be read afterwards: commit() */
    bool agent_filters; /* the agent puts on the seccomp filter, whatever the request says */
    bool maps_high_ids; /* the host maps ids above 65535; otherwise the sandbox has all of them */
    bool always_namespaces; /* it joins a user namespace of ours also without a network */

    /* Whether the tier's files are here, for `doctor`. */
    int (*available)(lrun_error *err);
    /* Corrects the cgroup's limits and the filter, and says what the agent has to do about limits. */
    int (*adapt)(struct local_plan *p, lrun_error *err);
    /* The supervisor's fds (sandbox.to_agent and so on), and stdio[] at the other ends. */
    int (*open_channel)(struct local_sandbox *s, lrun_error *err);
    /* The namespaces are there, and mounts will be: what can come up meanwhile is started. */
    int (*start_early)(struct local_sandbox *s, lrun_error *err);
    int (*make_root)(struct local_plan *p, lrun_error *err);
    /* All that is left to do before the start. */
    int (*configure)(struct local_plan *p, lrun_error *err);
    int (*start)(struct local_sandbox *s, lrun_error *err);
    /* The command has begun. -1: the run cannot go on. */
    int (*running)(struct local_sandbox *s);
    /* NULL: it is frozen by its cgroup. */
    int (*pause)(struct local_sandbox *s, bool on, lrun_error *err);
    /* Whether the sandbox kills everything in it by itself and then ends. false: it has to be killed. */
    bool (*ask_to_end)(struct local_sandbox *s);
    /* Waits until it has, for a moment, and kills it. */
    void (*await_end)(struct local_sandbox *s);
    /* *usage is what the cgroup has counted. */
    void (*correct_usage)(const struct local_sandbox *s, struct cgroup_usage *usage);
    /* The image of commit() can be made of LOCAL_ROOT afterwards. */
    int (*open_root)(const struct local_sandbox *s, lrun_error *err);
    void (*close)(struct local_sandbox *s);
};

/* A container beside the host's kernel, gVisor, and a VM. */
extern const struct local_backend local_oci, local_gvisor, local_vm;

const struct local_backend *backend_of_tier(const struct tier *tier);

/* Whether this user may use the tier. Errors: NOT_SUPPORTED. */
int backend_check_user(const struct tier *tier, lrun_error *err);

/* /etc/resolv.conf for a sandbox with a network: LOCAL_RESOLV_CONF. */
int backend_write_resolv_conf(const struct local_sandbox *s, lrun_error *err);

/* Keeps the image's file open as image_fd, at a number of at least `from`. */
int backend_keep_image(struct local_plan *p, int from, lrun_error *err);

#endif
