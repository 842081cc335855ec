/* SPDX-License-Identifier: MIT */
/*
 * The accelerator that runs a VM's code: the processor (KVM) if that really works, else an
 * emulator in software (TCG), which is at least ten times slower. On a nested machine, KVM may
 * exist and still be unable to run a guest. So it is tried once after each boot of the machine.
 */
#ifndef TIER_VM_ACCELERATOR_H
#define TIER_VM_ACCELERATOR_H

#include "tier/vm/guest_files.h"

#define ACCELERATOR_KVM "kvm"
#define ACCELERATOR_TCG "tcg"

/*
 * *name is one of the above. `folder` is the store's folder for templates, which keeps the
 * answer. `root` is an empty folder. Errors: CONTAINER_START_FAILED.
 */
int accelerator_find(const char **name, const char *qemu, const struct guest_files *files,
                     const char *folder, const char *root, lrun_error *err);

/* Returns the earlier answer for guests with that kernel release, without a trial; NULL if it
 * has not been tried. */
const char *accelerator_known(const char *release, const char *folder);

#endif
