/* SPDX-License-Identifier: MIT */
/*
 * Decides which symbolic links of the folder `dir` are copied into the sandbox: relative links to a
 * file or a folder that is copied, too.
 */
#ifndef RUN_SEED_LINK_H
#define RUN_SEED_LINK_H

#include <stdbool.h>

/*
 * Whether the link at `path`, beneath the folder that is open at `root`, may be copied with the
 * text `target`. `left_out` returns whether a file or folder of that name is not copied: a link
 * through it would lead nowhere.
 *
 * A process that changes the folder meanwhile can make us copy a link that leads nowhere. It cannot
 * make us copy a link whose text leads outside, because we copy exactly the text that is checked
 * here.
 */
bool seed_link_is_inside(int root, const char *path, const char *target,
                         bool (*left_out)(const void *user, const char *name), const void *user);

#endif
