/* SPDX-License-Identifier: MIT */
/*
 * The way back: the files below the working directory as a tar, whose process is confined already
 * (unpack_confine.h).
 */
#ifndef IMAGE_PACK_TREE_H
#define IMAGE_PACK_TREE_H

#include "base/error.h"

#include <stdbool.h>

/*
 * Writes the tar to the fd, from its position on. Owners are those that this process sees, or root
 * where the tree has not kept them. Errors: IO_FAILED, OUT_OF_MEMORY.
 */
int pack_tree(int fd, bool owners, lrun_error *err);

#endif
