/* SPDX-License-Identifier: MIT */
/*
 * Who the command runs as: the user of an image's configuration, looked up in the image's own
 * /etc/passwd and /etc/group. By hand, because libc's functions would load modules of the image
 * into the agent. Both files are hostile.
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
 * `text` is "", "name", "uid", or one of them with ":group" or ":gid". Empty is root. A number need
 * not be in the files; a name must be. A group that is named takes the place of all the others that
 * the user is in.
 */
int user_resolve(struct user *out, const char *text, struct failure *failure);

/* Gives the folder to the user if it could not make files in it. The group stays. A folder that cannot be given away (in /proc,
 * say) stays as it is. */
void user_give_folder(const struct user *u, int folder);

#endif
