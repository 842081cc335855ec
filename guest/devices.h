/* SPDX-License-Identifier: MIT */
/* The machine's devices: kernel modules, ports of the console, disks. */
#ifndef GUEST_DEVICES_H
#define GUEST_DEVICES_H

#include "settings.h"

/* Where the run's root is put together. */
#define DEVICES_ROOT "/root"

/* Those in /modules, in the order of their names. */
void devices_load_modules(void);

/* The port of that name, once somebody is at its other end. */
int devices_open_port(const char *name);

void devices_mount_root(const struct settings *s);

#endif
