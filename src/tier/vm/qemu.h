/* SPDX-License-Identifier: MIT */
/*
 * Starting QEMU as the first process of its own PID namespace, with one VM.
 *
 * QEMU is confined, because code that escapes from the guest ends up in it. It runs as a user of
 * the run's own that owns nothing, with no capability, no network but the sandbox's, a seccomp
 * filter, and a root that contains only the system's libraries, read-only, and the guest's
 * kernel. The disks are open files. QEMU is killed when the supervisor dies.
 */
#ifndef TIER_VM_QEMU_H
#define TIER_VM_QEMU_H

#include "host/cgroup.h"
#include "host/process.h"
#include "tier/vm/guest_files.h"

#if defined(__x86_64__)
#define QEMU_PROGRAM "qemu-system-x86_64"
#else
#define QEMU_PROGRAM "" /* not supported yet */
#endif

/* Memory that QEMU and the guest's kernel need in addition to the container's limit. */
#define QEMU_GUEST_OVERHEAD ((uint64_t)96 << 20)
#define QEMU_HOST_OVERHEAD  ((uint64_t)160 << 20)

/* QEMU's own threads. */
enum { QEMU_PIDS = 64 };

struct qemu_launch {
    const char *path;        /* of the executable */
    const char *accelerator; /* "kvm", "tcg" */
    const struct guest_files *files;
    const char *root; /* an empty folder in this mount namespace */
    uint32_t uid;
    const struct cgroup *cgroup;   /* NULL: the supervisor's own */
    const char *network_namespace; /* path; NULL: one without an interface */
    const char *resolv_conf;       /* file with the name servers; NULL: none */
    uint64_t memory_bytes;         /* memory of the whole VM */
    unsigned cpus;
    const char *settings; /* for the guest: words of wire/guest.h */
    int image, disk;      /* fds; -1: none */
    int agent, control;   /* sockets: QEMU's ends; -1: none */
    int console;          /* a pipe for the output of the guest's console and of QEMU itself */
};

/* Errors: CONTAINER_START_FAILED. Failures in the child are reported on the console. */
int qemu_start(struct process *out, const struct qemu_launch *l, lrun_error *err);

#endif
