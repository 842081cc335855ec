/* SPDX-License-Identifier: MIT */
/*
 * Files in: creates the tree that the supervisor sends beneath the working directory. The image's
 * own symlinks there are not followed, and what is in the way of a file is replaced.
 */
#ifndef AGENT_SEED_H
#define AGENT_SEED_H

#include "base/folder_times.h"
#include "failure.h"
#include "user.h"
#include "wire/fields.h"

struct seed {
    int root;                /* borrowed */
    const struct user *user; /* borrowed; whose the files are to be */

    int file; /* being written, or -1 */
    mode_t mode;
    struct timespec modified;
    char path[4096]; /* of the last entry */

    int parent_fd; /* the last parent folder, kept open: entries come folder by folder */
    char parent[4096];
    struct folder_times folders; /* that were made, around the entry at hand */
};

void seed_init(struct seed *s, int root, const struct user *user);
void seed_free(struct seed *s);

/* Each fails with the operation "seed", or "protocol" when the frame makes no sense where it is. */
int seed_entry(struct seed *s, const struct frame *f, struct failure *failure);
int seed_data(struct seed *s, const struct frame *f, struct failure *failure);
int seed_entry_end(struct seed *s, const struct frame *f, struct failure *failure);
int seed_end(struct seed *s, struct failure *failure);

#endif
