/* SPDX-License-Identifier: MIT */
/*
 * Which symbolic links of the folder `dir` go in: those that are relative and lead to a file or a folder that goes in as well.
 */
#ifndef RUN_SEED_LINK_H
#define RUN_SEED_LINK_H

#include <stdbool.h>

/*
 * Whether the link at `path`, beneath the folder that is open at `root`, may go in with the text `target`. `left_out` says
 * so of the name of a file or folder that stays behind: what leads through one would lead nowhere.
 *
 * Whoever changes the folder meanwhile can have a link go in that leads nowhere, but none that leads out by its text: no
 * other text than the one that is looked at here goes in.
 */
bool seed_link_is_inside(int root, const char *path, const char *target,
                         bool (*left_out)(const void *user, const char *name), const void *user);

#endif
