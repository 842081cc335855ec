/* SPDX-License-Identifier: MIT */
/* A sandbox of the local engine, for the files of this folder. */
#ifndef ENGINE_LOCAL_LOCAL_SANDBOX_H
#define ENGINE_LOCAL_LOCAL_SANDBOX_H

#include "engine/engine.h"
#include "host/network.h"
#include "host/process.h"
#include "host/userns.h"
#include "tier/agent_name.h"
#include "tier/gpu/cdi.h"

/* Each supervisor mounts a tmpfs of its own over it. It must be there without us, as a user cannot make
 * one that a sandbox's root can pass through; and nothing of the run looks for anything in it. */
#define LOCAL_FOLDER            "/dev/pts"
#define LOCAL_ROOT              LOCAL_FOLDER "/root"
#define LOCAL_BUNDLE            LOCAL_FOLDER "/bundle"
#define LOCAL_STATE             LOCAL_FOLDER "/state"   /* the OCI runtime's */
#define LOCAL_IMAGE             LOCAL_FOLDER "/image"   /* the image's files */
#define LOCAL_SCRATCH           LOCAL_FOLDER "/scratch" /* takes what the run writes */
#define LOCAL_DEVICES           LOCAL_FOLDER "/devices"
#define LOCAL_LIMITS            LOCAL_FOLDER "/limits"
#define LOCAL_AGENT             LOCAL_FOLDER "/agent"
#define LOCAL_USER_NAMESPACE    LOCAL_FOLDER "/userns"
#define LOCAL_NETWORK_NAMESPACE LOCAL_FOLDER "/netns"
#define LOCAL_RESOLV_CONF       LOCAL_FOLDER "/resolv.conf"

/* The smallest file system that mkfs.ext4 makes with room in it. */
#define LOCAL_DISK_MIN ((uint64_t)1 << 20)

struct local_sandbox {
    struct sandbox base; /* first: the engine's table is called with a pointer to it */
    const struct local_backend *backend; /* of the tier; NULL: not chosen yet */
    char id[48];
    char agent_target[AGENT_NAME_SIZE]; /* where the agent is in the sandbox */
    const struct tier_runtime *runtime;
    char *runtime_path;
    struct userns_birth birth; /* of the namespaces, until they are there */
    int user_namespace;
    uint32_t first_id; /* the sandbox's root outside */
    struct id_map ids;
    char id_text[ID_MAP_TEXT];
    int id_lock,
        high_lock; /* hold the ids outside; -1: they are those of a user other than root, or there are no high ones */
    bool outbound; /* it has a network */
    int unpacked;  /* the image's files, in use while this is open; -1: it is mounted */
    bool frozen;
    char *cgroup_root;
    struct network network;
    struct resolver names; /* where the sandbox asks for names */
    struct cdi_edits gpus;
    uint64_t disk_bytes; /* of the run's storage, in whole MiB */
    bool allow_suid;
    int image_fd; /* -1: it has been mounted */
    struct cgroup *cgroup;
    double cpus; /* the request's share of the processors */
    struct process process;
    int scratch;   /* root of the file system that takes what the run writes; -1: not yet */
    struct vm *vm; /* of the tier with one; NULL: there is none (yet) */
    char *config;  /* the text of config.json */
    char cgroup_path[96];
    int config_pipe; /* what a runtime that is started early waits for; -1: there is none */
    int stdio[3];    /* the runtime's ends, until it has them */
};

static inline struct local_sandbox *local_of(struct sandbox *s)
{
    return (struct local_sandbox *)s;
}

#endif
