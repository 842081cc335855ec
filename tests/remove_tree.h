/* SPDX-License-Identifier: MIT */
/* rm -rf, for the temporary folders of tests: links are removed, and not followed. */
#ifndef TESTS_REMOVE_TREE_H
#define TESTS_REMOVE_TREE_H

#include <ftw.h>
#include <stdio.h>

static int remove_tree_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st, (void)kind, (void)where;
    return remove(path);
}

/* 0 when all of it is gone. */
static int remove_tree(const char *path)
{
    return nftw(path, remove_tree_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
