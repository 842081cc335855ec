/* SPDX-License-Identifier: MIT */
/*
 * The user namespace of a sandbox: root inside is an owner outside that nothing on the host belongs
 * to. Each run has a range of its own, so that runs do not share per-user limits or signals either.
 */
#ifndef HOST_USERNS_H
#define HOST_USERNS_H

#include "base/error.h"

#include <stdint.h>

enum { USERNS_SIZE = 65536 };

/* The first host id of the range that a run's id stands for. */
uint32_t userns_base(const char *id);

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
