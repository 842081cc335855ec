/* SPDX-License-Identifier: MIT */
#include "base/folder_times.h"

#include "base/cleanup.h"

#include <string.h>
#include <sys/stat.h>

void folder_times_add(struct folder_times *f, const char *path, struct timespec modified)
{
    size_t length = strlen(path);
    if (f->depth == FOLDER_TIMES_MAX || length >= sizeof(f->path))
        return;
    memcpy(f->path, path, length + 1);
    f->folders[f->depth].length = length;
    f->folders[f->depth++].modified = modified;
}

void folder_times_leave(struct folder_times *f, const char *next, int root,
                        folder_times_open *open_folder)
{
    for (; f->depth > 0; f->depth--) {
        size_t length = f->folders[f->depth - 1].length;
        f->path[length] = '\0';
        if (next && strncmp(next, f->path, length) == 0 && next[length] == '/')
            return;
        cleanup_close int fd = open_folder(root, f->path);
        if (fd >= 0)
            (void)futimens(fd, FOLDER_TIMES_BOTH(f->folders[f->depth - 1].modified));
    }
}
