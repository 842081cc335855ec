/* SPDX-License-Identifier: MIT */
/* The machine's devices: kernel modules, ports of the virtio console, disks. */
#ifndef GUEST_DEVICES_H
#define GUEST_DEVICES_H

#include "settings.h"

/* Where the run's root is assembled. */
#define DEVICES_ROOT "/root"

/* Loads the modules in a folder of the initramfs, in the order of their names. */
void devices_load_modules(const char *folder);

/* From now on, gives free memory back to the host, if the kernel can. */
void devices_return_memory(void);

/* Waits until the other end of the port with this name is connected, and returns the port's fd. */
int devices_open_port(const char *name);

void devices_mount_root(const struct settings *s);

#endif
