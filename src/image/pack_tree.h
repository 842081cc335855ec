/* SPDX-License-Identifier: MIT */
/*
 * The reverse of unpacking: writes the files below the working directory as a tar. The process is
 * already confined (unpack_confine.h).
 */
#ifndef IMAGE_PACK_TREE_H
#define IMAGE_PACK_TREE_H

#include "base/error.h"

#include <stdbool.h>

/*
 * Writes the tar to the fd, at its current position. Owners are as this process sees them, or root
 * if the tree did not keep owners. Errors: IO_FAILED, OUT_OF_MEMORY.
 */
int pack_tree(int fd, bool owners, lrun_error *err);

#endif
