/* SPDX-License-Identifier: MIT */
/*
 * A fuzzer's main() without a fuzzing engine. It passes every file that is named, and every file in
 * a folder that is named, to LLVMFuzzerTestOneInput() once. A finding is a crash.
 */
#include "fuzz.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

static size_t ran;

static int replay_file(int dirfd, const char *name)
{
    size_t length;
    cleanup_free char *data = io_read_file_at(dirfd, name, 64 * 1024 * 1024, &length);
    if (!data) {
        perror(name);
        return -1;
    }
    /* In memory of exactly its size, so that the sanitizers see a read past the end. */
    cleanup_free uint8_t *exact = malloc(length ? length : 1);
    if (!exact)
        return -1;
    memcpy(exact, data, length);
    LLVMFuzzerTestOneInput(exact, length);
    ran++;
    return 0;
}

static int replay(const char *path)
{
    cleanup_closedir DIR *dir = opendir(path);
    if (!dir)
        return replay_file(AT_FDCWD, path);
    struct dirent *entry;
    while ((entry = readdir(dir)))
        if (entry->d_name[0] != '.' && replay_file(dirfd(dir), entry->d_name) < 0)
            return -1;
    return 0;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (replay(argv[i]) < 0)
            return 1;
    printf("%zu inputs\n", ran);
    return ran > 0 ? 0 : 1;
}
