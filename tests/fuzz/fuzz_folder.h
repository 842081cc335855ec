/* SPDX-License-Identifier: MIT */
/* A temporary folder of a fuzzer, made by its first use and removed with everything in it when the fuzzer ends. */
#ifndef TESTS_FUZZ_FUZZ_FOLDER_H
#define TESTS_FUZZ_FUZZ_FOLDER_H

#include "fuzz.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

static char fuzz_folder[] = "/tmp/light-runner-fuzz-XXXXXX";

static int fuzz_folder_remove_one(const char *path, const struct stat *st, int kind,
                                  struct FTW *where)
{
    (void)st, (void)kind, (void)where;
    return remove(path);
}

static void fuzz_folder_remove(void)
{
    PROMISE(nftw(fuzz_folder, fuzz_folder_remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

/* Its descriptor, which stays open. `made`: whether it was made just now; may be NULL. */
static int fuzz_folder_open(bool *made)
{
    static int fd = -1;
    if (made)
        *made = fd < 0;
    if (fd >= 0)
        return fd;
    PROMISE(mkdtemp(fuzz_folder) != NULL);
    atexit(fuzz_folder_remove);
    fd = open(fuzz_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    PROMISE(fd >= 0);
    return fd;
}

/* What was made for one input is gone. */
static inline bool fuzz_folder_is_empty(void)
{
    cleanup_closedir DIR *names = io_list(fuzz_folder_open(NULL));
    size_t count = 0;
    while (names && readdir(names))
        count++;
    return count == 2; /* "." and ".." */
}

#endif
