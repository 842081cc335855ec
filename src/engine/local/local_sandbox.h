/* SPDX-License-Identifier: MIT */
/* A sandbox of the local engine. Only for the files of this folder. */
#ifndef ENGINE_LOCAL_LOCAL_SANDBOX_H
#define ENGINE_LOCAL_LOCAL_SANDBOX_H

#include "engine/engine.h"
#include "host/network.h"
#include "host/process.h"
#include "host/scratch.h"
#include "host/userns.h"
#include "tier/agent_name.h"
#include "tier/gpu/cdi.h"

/* Each supervisor mounts its own tmpfs over this folder. The folder must exist already, because an
 * ordinary user cannot create one that a sandbox's root can pass through. Nothing in a run needs
 * the folder's original content. */
#define LOCAL_FOLDER            "/dev/pts"
#define LOCAL_ROOT              LOCAL_FOLDER "/root"
#define LOCAL_BUNDLE            LOCAL_FOLDER "/bundle"
#define LOCAL_STATE             LOCAL_FOLDER "/state"   /* the OCI runtime's state */
#define LOCAL_IMAGE             LOCAL_FOLDER "/image"   /* the image's files */
#define LOCAL_SCRATCH           LOCAL_FOLDER "/scratch" /* receives the files that the run writes */
#define LOCAL_DEVICES           LOCAL_FOLDER "/devices"
#define LOCAL_LIMITS            LOCAL_FOLDER "/limits"
#define LOCAL_AGENT             LOCAL_FOLDER "/agent"
#define LOCAL_USER_NAMESPACE    LOCAL_FOLDER "/userns"
#define LOCAL_NETWORK_NAMESPACE LOCAL_FOLDER "/netns"
#define LOCAL_RESOLV_CONF       LOCAL_FOLDER "/resolv.conf"

/* The smallest file system of mkfs.ext4 that has room for files. */
#define LOCAL_DISK_MIN ((uint64_t)1 << 20)

struct local_sandbox {
    struct sandbox base; /* first: the engine's table is called with a pointer to it */
    const struct local_backend *backend; /* the tier's; NULL: not chosen yet */
    char id[48];
    char agent_target[AGENT_NAME_SIZE]; /* the agent's path in the sandbox */
    char *runtime_path;                 /* NULL: the tier has none */
    struct userns_birth birth;          /* the namespaces while they are being made */
    struct scratch_birth scratch_birth; /* the storage, likewise */
    int user_namespace;
    int network_namespace; /* -1: the sandbox gets a new one */
    uint32_t first_id;     /* the id that the sandbox's root has outside */
    struct id_map ids;
    char id_text[ID_MAP_TEXT];
    /* Locks that reserve the ids outside. -1: there are no high ids, or the ids belong to a
     * user other than root. */
    int id_lock, high_lock;
    bool outbound; /* it has a network */
    int unpacked;  /* keeps the unpacked image in use while it is open; -1: the image is mounted */
    bool frozen;
    char *cgroup_root;
    struct network network;
    struct resolver names; /* the name servers of the sandbox */
    struct cdi_edits gpus;
    uint64_t disk_bytes; /* size of the run's storage, in whole MiB */
    bool allow_suid;
    int image_fd; /* -1: the image is mounted */
    struct cgroup *cgroup;
    double cpus; /* the CPU share that the request allows */
    struct process process;
    int scratch; /* root of the file system for the files that the run writes; -1: not mounted */
    struct container *container; /* what the launcher gets; NULL: another tier, or it has it */
    struct vm *vm;               /* the tier's VM; NULL: it has none, or not yet */
    char *config;                /* the text of config.json */
    int stdio[3];                /* the runtime's ends, until the runtime has them */
};

static inline struct local_sandbox *local_of(struct sandbox *s)
{
    return (struct local_sandbox *)s;
}

#endif
