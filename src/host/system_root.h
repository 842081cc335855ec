/* SPDX-License-Identifier: MIT */
/*
 * A root folder for a program that handles hostile data: the system's programs and libraries, a few
 * devices, the files that it is given, and nothing else of the host. Call these functions in a
 * child that is alone in a new mount namespace, in this order: system_root_begin(); show files and
 * folders in it; system_root_seal(); make some of them writable again; system_root_enter(). All
 * return 0, or -1 with errno.
 */
#ifndef HOST_SYSTEM_ROOT_H
#define HOST_SYSTEM_ROOT_H

#include <stdbool.h>

/* Makes the root on an existing folder and enters that folder: later names are relative to it. */
int system_root_begin(const char *at);

/* Shows a file or folder of the host. */
int system_root_show(const char *from, const char *to, bool folder);

/* Shows a mount that is not attached anywhere yet (open_tree()). */
int system_root_show_tree(int tree, const char *to, bool folder);

/* Makes everything shown so far read-only. */
int system_root_seal(void);

/* Changes to the new root and detaches the old one. */
int system_root_enter(void);

#endif
