/* SPDX-License-Identifier: MIT */
/* The machine's devices: kernel modules, ports of the console, disks. */
#ifndef GUEST_DEVICES_H
#define GUEST_DEVICES_H

#include "settings.h"

/* Where the run's root is put together. */
#define DEVICES_ROOT "/root"

/* Those in a folder of the initramfs, in the order of their names. */
void devices_load_modules(const char *folder);

/* Has memory that is free given back to the host from now on, if the kernel can. */
void devices_return_memory(void);

/* The port of that name, once somebody is at its other end. */
int devices_open_port(const char *name);

void devices_mount_root(const struct settings *s);

#endif
