/* SPDX-License-Identifier: MIT */
/*
 * The user that runs the command. The image's configuration names it, and the image's own
 * /etc/passwd and /etc/group describe it. The agent parses these files itself, because libc's
 * functions would load modules of the image into the agent. Both files are hostile.
 */
#ifndef AGENT_USER_H
#define AGENT_USER_H

#include "failure.h"

#include <stddef.h>
#include <sys/types.h>

enum { USER_GROUPS_MAX = 256 };

struct user {
    uid_t uid;
    gid_t gid;
    gid_t groups[USER_GROUPS_MAX]; /* supplementary */
    size_t group_count;
    char home[1024];
};

/*
 * `text` is "", "name" or "uid", each optionally followed by ":group" or ":gid". "" is root. A name
 * must be in the files, a number need not be. A group in `text` replaces all other groups of the
 * user.
 */
int user_resolve(struct user *out, const char *text, struct failure *failure);

/* Sets all ids of this process at once, so that there is no way back. Returns 0, or -1 with errno. */
int user_become(const struct user *u);

/* Makes the user the owner of the folder, with all permissions, if it could not create files in it
 * otherwise. The group does not change. A folder whose owner cannot be changed (in /proc, for
 * example) stays as it is. */
void user_give_folder(const struct user *u, int folder);

#endif
