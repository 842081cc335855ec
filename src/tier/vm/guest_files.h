/* SPDX-License-Identifier: MIT */
/*
 * What a VM is started with: the kernel of a distribution's package and an initramfs with the guest's first program,
 * the agent and the few kernel modules that they need. Both are made once for each kernel, by
 * light-runner-initramfs, and kept in the store's folder for templates.
 */
#ifndef TIER_VM_GUEST_FILES_H
#define TIER_VM_GUEST_FILES_H

#include "base/error.h"

struct guest_files {
    char release[65]; /* of the kernel, as uname -r will have it in the guest */
    int kernel;       /* open files; everybody may read them, as QEMU has to, which is nobody */
    int initramfs;
    bool is_signed; /* all of the initramfs's modules, so that the kernel can be locked down */
};

#define GUEST_FILES_SIGNED   ".initramfs"
#define GUEST_FILES_UNSIGNED ".unsigned.initramfs"

#define GUEST_FILES_NONE ((struct guest_files){.kernel = -1, .initramfs = -1})

/*
 * The kernel that a guest gets: $LIGHT_RUNNER_GUEST_KERNEL (a release, as in /lib/modules), else the newest of those in
 * /boot that are made for VMs, else the newest of all. Errors: CONTAINER_START_FAILED with the command that installs
 * one.
 */
int guest_files_release(char release[65], lrun_error *err);

/* Makes the files if they are not there. `folder` is the store's for templates. Errors: CONTAINER_START_FAILED. */
int guest_files_open(struct guest_files *out, const char *folder, lrun_error *err);

void guest_files_close(struct guest_files *files);

#endif
