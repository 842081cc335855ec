/* SPDX-License-Identifier: MIT */
/*
 * Files out: the one place where something that comes from a sandbox is created on the host.
 *
 * Everything is created beneath one open folder with openat2(RESOLVE_BENEATH |
 * RESOLVE_NO_SYMLINKS), so neither a name nor a symlink that lies there already can lead outside.
 * Only folders and regular files exist here; modes are cut to rwxrwxrwx. Bytes are counted as a tar
 * archive would carry them (512 for each entry, data rounded up to 512), against a cap.
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
    int file;                      /* being written, or -1 */
    char file_name[256];           /* in parent_fd, or in root where that is -1 */
    int file_folder;               /* which of the two */
    mode_t file_mode;              /* given to it at its end */
    struct timespec file_modified; /* so is this */
    mode_t umask;
    uint64_t file_size;
    uint64_t bytes; /* so far */
    uint64_t max;
    char parent[4096]; /* the last parent folder, kept open: entries come folder by folder */
    int parent_fd;
    struct folder_times folders; /* that were made, around the entry at hand */
    char git[4096];              /* the last .git that was met and was not there before; "": none */
};

/* Not open; may be closed. */
#define SINK_NONE ((struct sink){.root = -1, .file = -1, .parent_fd = -1})

/* Opens the folder `to`, made with its parents. Modes of all that is made are cut by the mask. Errors: EXTRACT_FAILED. */
int sink_open(struct sink *out, const char *to, mode_t mask, uint64_t max, lrun_error *err);

/* Each of these fails with EXTRACT_FAILED and the reason as the message. */
int sink_folder(struct sink *s, const char *path, mode_t mode, struct timespec modified,
                lrun_error *err);
int sink_file(struct sink *s, const char *path, mode_t mode, struct timespec modified,
              lrun_error *err);
int sink_data(struct sink *s, const void *data, size_t length, lrun_error *err);
int sink_file_end(struct sink *s, lrun_error *err);

/* A file whose end has not come is removed. */
void sink_close(struct sink *s);

#endif
