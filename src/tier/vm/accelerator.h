/* SPDX-License-Identifier: MIT */
/*
 * What runs a VM's code: the processor (KVM) where that truly works, else an emulator in software (TCG), which is ten times
 * slower and more. On a nested machine KVM may be there and yet take no guest: so it is tried, once after each
 * start of the machine.
 */
#ifndef TIER_VM_ACCELERATOR_H
#define TIER_VM_ACCELERATOR_H

#include "tier/vm/guest_files.h"

#define ACCELERATOR_KVM "kvm"
#define ACCELERATOR_TCG "tcg"

/*
 * *name is one of the above. `folder` is the store's for templates, which keeps the answer; `root` an empty folder.
 * Errors: CONTAINER_START_FAILED.
 */
int accelerator_find(const char **name, const char *qemu, const struct guest_files *files,
                     const char *folder, const char *root, lrun_error *err);

/* What has been found before for guests with the kernel of that release, without a trial; NULL: it has not been tried. */
const char *accelerator_known(const char *release, const char *folder);

#endif
