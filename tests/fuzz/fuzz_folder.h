/* SPDX-License-Identifier: MIT */
/* A temporary folder for a fuzzer. Its first use creates it. It is removed with everything in it
 * when the fuzzer ends. */
#ifndef TESTS_FUZZ_FUZZ_FOLDER_H
#define TESTS_FUZZ_FUZZ_FOLDER_H

#include "../remove_tree.h"
#include "fuzz.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

static char fuzz_folder[] = "/tmp/light-runner-fuzz-XXXXXX";

static void fuzz_folder_remove(void)
{
    PROMISE(remove_tree(fuzz_folder) == 0);
}

/* Returns the folder's descriptor, which stays open. *made tells whether this call has created the
 * folder; `made` may be NULL. */
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

/* Returns whether all files that were made for one input are gone. */
static inline bool fuzz_folder_is_empty(void)
{
    cleanup_closedir DIR *names = io_list(fuzz_folder_open(NULL));
    size_t count = 0;
    while (names && readdir(names))
        count++;
    return count == 2; /* "." and ".." */
}

#endif
