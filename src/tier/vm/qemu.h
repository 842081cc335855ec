/* SPDX-License-Identifier: MIT */
/*
 * Starting QEMU as the first process of a PID namespace of its own, with one VM.
 *
 * It is confined, as whoever gets out of the guest is in it: a user of the run's own that owns nothing, no capability,
 * no network but the sandbox's, a seccomp filter, and a root with nothing in it but the system's libraries, read-only, and
 * the guest's kernel. The disks are open files. It is killed when the supervisor dies.
 */
#ifndef TIER_VM_QEMU_H
#define TIER_VM_QEMU_H

#include "host/cgroup.h"
#include "host/process.h"
#include "tier/vm/guest_files.h"

#if defined(__x86_64__)
#define QEMU_PROGRAM "qemu-system-x86_64"
#else
#define QEMU_PROGRAM "" /* not yet */
#endif

/* What QEMU and the guest's kernel take beside what the container may have. */
#define QEMU_GUEST_OVERHEAD ((uint64_t)96 << 20)
#define QEMU_HOST_OVERHEAD  ((uint64_t)160 << 20)

/* Threads of its own. */
enum { QEMU_PIDS = 64 };

struct qemu_launch {
    const char *path;        /* of the executable */
    const char *accelerator; /* "kvm", "tcg" */
    const struct guest_files *files;
    const char *root; /* an empty folder of this mount namespace */
    uint32_t uid;
    const struct cgroup *cgroup;   /* NULL: the supervisor's own */
    const char *network_namespace; /* path; NULL: one without an interface */
    const char *resolv_conf;       /* where names are asked, a file; NULL: nowhere */
    uint64_t memory_bytes;         /* of the machine */
    unsigned cpus;
    const char *settings; /* for the guest: words of wire/guest.h */
    int image, disk;      /* open files; -1: none */
    int agent, control;   /* sockets, its ends; -1: none */
    int console;          /* a pipe for what the guest's console and QEMU itself say */
};

/* Errors: CONTAINER_START_FAILED. What fails in the child is said on the console. */
int qemu_start(struct process *out, const struct qemu_launch *l, lrun_error *err);

#endif
