/* SPDX-License-Identifier: MIT */
/*
 * The user namespace of a sandbox: root inside is an owner outside that nothing on the host belongs to (host/id_range.h).
 *
 * It belongs to that owner as well. What a process in it uses of the kernel's limits per user (inotify instances and watches,
 * queued signals, bytes in message queues, locked memory, processes) is counted for the user who owns the namespace, too:
 * if that were root, one run could use up what root's own programs on the host may have.
 */
#ifndef HOST_USERNS_H
#define HOST_USERNS_H

#include "base/error.h"

#include <stdint.h>

/*
 * One for files of an image, which may belong to any id: 0 to 65535 are ids outside that nothing on the host belongs to
 * (the first of them is USERNS_FILES_FIRST) and no run ever gets; above that every id is itself. Those that stand in for the
 * lowest are not there themselves. Only for programs that see no file but those. Errors: CONTAINER_START_FAILED.
 */
#define USERNS_FILES_FIRST 0x7fff0000u
int userns_open_files(int *user, lr_error *err);

/*
 * Makes one in which `count` ids from `first` on are 0 and those behind it, held by the fd alone; and,
 * if net is not NULL, a network namespace that belongs to it. Errors: CONTAINER_START_FAILED.
 */
int userns_open(int *user, int *net, uint32_t first, uint32_t count, lr_error *err);

#endif
