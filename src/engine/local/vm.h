/* SPDX-License-Identifier: MIT */
/*
 * The tier with a VM, on the local engine. In the place of mounts and an OCI runtime there are two disks, which the guest
 * mounts by itself, and QEMU. The rest of a sandbox (cgroup, network, storage, what destroys it) is that of local.c.
 *
 *      supervisor <--- socket ---> QEMU <--- virtio console, port `agent` ---> agent
 *                 <--- socket ---> QEMU <--- ...             port `control` -> the guest's init (wire/guest.h)
 *                 <--- pipe -----  QEMU <--- serial console                    its kernel's last words
 */
#ifndef ENGINE_LOCAL_VM_H
#define ENGINE_LOCAL_VM_H

#include "base/error.h"
#include "host/cgroup.h"
#include "tier/qemu.h"
#include "wire/guest.h"
#include "wire/request.h"

struct local_sandbox;

struct vm {
    struct guest_files files;
    const char *accelerator;
    uint64_t memory_bytes; /* of the machine */
    unsigned cpus;
    int disk;  /* the file of the run's storage */
    int agent; /* QEMU's ends, until it has them */
    int theirs;
    int control; /* ours */
    bool asked;
    char line[GUEST_LINE_MAX]; /* what has come of the control port, up to its line */
    size_t length;
    unsigned lines; /* so far */
    bool up;
    struct cgroup_usage before; /* the command ran */
    char settings[512];
};

#define VM_NONE                                                                                    \
    ((struct vm){.files = GUEST_FILES_NONE, .disk = -1, .agent = -1, .theirs = -1, .control = -1})

/* Of the machine for a request: what its container may have, and what a kernel takes. */
uint64_t vm_memory(const struct request *r);

/* The channel to the agent, as sandbox.h has it. */
int vm_make_channel(struct local_sandbox *s, lrun_error *err);

/* Everything up to QEMU's start. `image` is the image's file. */
int vm_prepare(struct local_sandbox *s, const struct request *r, int image,
               const char *scratch_folder, lrun_error *err);

int vm_start(struct local_sandbox *s, lrun_error *err);

/* Has the guest kill everything in it, and tell then what that has used. false: it cannot be asked. */
bool vm_ask(struct local_sandbox *s);

/* Waits for that, for a moment. What does not come leaves *usage as it is. */
void vm_listen(struct local_sandbox *s, struct cgroup_usage *usage);

/*
 * *usage is what the host has measured of the whole machine: its start is taken off, and its memory and processes are
 * replaced by what the guest has told of those of the run. So code that has taken the guest over can make less of its
 * memory, and nothing of its time.
 */
void vm_correct(const struct vm *vm, const struct cgroup_usage *told, struct cgroup_usage *usage);

void vm_close(struct vm *vm);

#endif
