/* SPDX-License-Identifier: MIT */
/*
 * The unpacker's own sandbox. An archive is parsed by a large library that has had its holes; here
 * the process that does so has nothing but the folder to unpack into.
 */
#ifndef IMAGE_UNPACK_CONFINE_H
#define IMAGE_UNPACK_CONFINE_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * Goes on in a child, alone in new namespaces (mount, PID, network, IPC, UTS; user too when not
 * root) whose root is `folder`, with no way to gain privileges, the four capabilities that
 * restoring files takes, and limits on memory and file size. It returns in that child alone: the
 * first process waits for the child and exits as it does.
 */
int unpack_confine(const char *folder, uint64_t max_file_bytes, lr_error *err);

#endif
