/* SPDX-License-Identifier: MIT */
/*
 * Files out: the only place where something from a sandbox is created on the host.
 *
 * Everything is created beneath one open folder with openat2(RESOLVE_BENEATH |
 * RESOLVE_NO_SYMLINKS), so neither a name nor an existing symlink can lead outside. Only folders
 * and regular files are created; modes are cut to rwxrwxrwx. Bytes are counted as in a tar archive
 * (512 for each entry, data rounded up to 512), and their sum has a limit.
 */
#ifndef RUN_SINK_H
#define RUN_SINK_H

#include "base/error.h"
#include "base/folder_times.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct sink {
    int root;                      /* folder fd */
    int file;                      /* the open file, or -1 */
    char file_name[256];           /* relative to file_folder */
    int file_folder;               /* fd: parent_fd or root */
    mode_t file_mode;              /* set when the file is complete */
    struct timespec file_modified; /* likewise */
    mode_t umask;
    uint64_t file_size;
    uint64_t bytes; /* so far */
    uint64_t max;
    char parent[4096]; /* the last parent folder, kept open: entries come folder by folder */
    int parent_fd;
    struct folder_times folders; /* created folders around the current entry */
    char git[4096];              /* the last .git seen that did not exist before; "": none */
};

/* A sink that is not open. sink_close() accepts it. */
#define SINK_NONE ((struct sink){.root = -1, .file = -1, .parent_fd = -1})

/* Opens the folder `to`, and creates it and its parents if needed. The mask applies to the modes of
 * everything that is created. Errors: EXTRACT_FAILED. */
int sink_open(struct sink *out, const char *to, mode_t mask, uint64_t max, lrun_error *err);

/* Each of these fails with EXTRACT_FAILED and the reason as the message. */
int sink_folder(struct sink *s, const char *path, mode_t mode, struct timespec modified,
                lrun_error *err);
int sink_file(struct sink *s, const char *path, mode_t mode, struct timespec modified,
              lrun_error *err);
int sink_data(struct sink *s, const void *data, size_t length, lrun_error *err);
int sink_file_end(struct sink *s, lrun_error *err);

/* Removes a file that is not complete. */
void sink_close(struct sink *s);

#endif
