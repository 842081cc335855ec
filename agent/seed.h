/* SPDX-License-Identifier: MIT */
/*
 * Copies files into the sandbox: creates the tree that the supervisor sends, below the working
 * directory. The agent does not follow the image's own symlinks there. A file or link replaces
 * anything in its place except a folder.
 */
#ifndef AGENT_SEED_H
#define AGENT_SEED_H

#include "base/folder_times.h"
#include "failure.h"
#include "user.h"
#include "wire/fields.h"

#include <stdbool.h>

struct seed {
    int root;                /* borrowed */
    const struct user *user; /* borrowed; the owner of the files */
    bool keeps_owners;       /* a folder that exists is not given to the user */

    int file; /* being written; -1 if there is none */
    mode_t mode;
    struct timespec modified;
    char path[4096]; /* of the last entry */

    int parent_fd; /* the last parent folder, kept open because entries come folder by folder */
    char parent[4096];
    struct folder_times folders; /* created folders around the current entry */
};

void seed_init(struct seed *s, int root, const struct user *user);
void seed_free(struct seed *s);

/* Parses octal permission bits; others are left out. */
bool seed_parse_mode(const char *text, mode_t *out);

/* Each fails with the operation "seed", or "protocol" if the frame makes no sense at this point. */
int seed_entry(struct seed *s, const struct frame *f, struct failure *failure);
int seed_data(struct seed *s, const struct frame *f, struct failure *failure);
int seed_entry_end(struct seed *s, const struct frame *f, struct failure *failure);
int seed_end(struct seed *s, struct failure *failure);

#endif
