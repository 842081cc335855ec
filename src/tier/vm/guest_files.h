/* SPDX-License-Identifier: MIT */
/*
 * The files that a VM starts with: the kernel of a distribution's package, and an initramfs with
 * the guest's first program, the agent and the few kernel modules that they need. Both are made
 * once for each kernel, by light-runner-initramfs, and kept in the store's folder for templates.
 */
#ifndef TIER_VM_GUEST_FILES_H
#define TIER_VM_GUEST_FILES_H

#include "base/error.h"

struct guest_files {
    char release[65]; /* of the kernel, as `uname -r` prints it in the guest */
    int kernel; /* both are open files, readable for everybody because QEMU has no privileges */
    int initramfs;
    bool is_signed; /* all modules in the initramfs are signed, so the kernel can be locked down */
};

#define GUEST_FILES_SIGNED   ".initramfs"
#define GUEST_FILES_UNSIGNED ".unsigned.initramfs"

#define GUEST_FILES_NONE ((struct guest_files){.kernel = -1, .initramfs = -1})

/*
 * Chooses the kernel for guests: $LIGHT_RUNNER_GUEST_KERNEL (a release, as in /lib/modules), else
 * the newest kernel in /boot that is made for VMs, else the newest kernel in /boot. Errors:
 * CONTAINER_START_FAILED with the command that installs a kernel.
 */
int guest_files_release(char release[65], lrun_error *err);

/* Opens the files, and makes them first if they do not exist. `folder` is the store's folder for
 * templates. Errors: CONTAINER_START_FAILED. */
int guest_files_open(struct guest_files *out, const char *folder, lrun_error *err);

void guest_files_close(struct guest_files *files);

#endif
