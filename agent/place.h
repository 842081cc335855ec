/* SPDX-License-Identifier: MIT */
/*
 * Finds the place in the sandbox that a path of a file operation names. What runs in the sandbox
 * may change the folders meanwhile, so the path is opened segment by segment and never looked up
 * twice. This works on every kernel; gVisor's has no openat2().
 *
 * Links on the way are followed, as they cannot lead out of the sandbox, but not those of the
 * kernel (/proc/PID/root and the like), which lead to where another process is. When files are
 * changed, the agent must not do for a command what that command's user may not do. So it then
 * follows the links of root alone, unless the user is root.
 */
#ifndef AGENT_PLACE_H
#define AGENT_PLACE_H

#include "user.h"
#include "workdir.h"

#include <limits.h>

struct place {
    int folder;              /* the folder that contains it, with O_PATH */
    char name[NAME_MAX + 1]; /* the last segment; "." if the path is the root or the workdir */
};

/*
 * PLACE_LOOK    a link at the end of the path is not followed
 * PLACE_FOLLOW  it is followed
 * PLACE_CHANGE  like LOOK, but the operation changes what is there
 * PLACE_MAKE    also makes missing folders, which belong to the user
 */
enum place_purpose { PLACE_LOOK, PLACE_FOLLOW, PLACE_CHANGE, PLACE_MAKE };

/* Opens the folder that contains `path` (absolute, or relative to the workdir). Returns 0, or -1 with errno: ELOOP for a link that is not
 * followed, EXDEV for one of the kernel's, EINVAL for a path that is empty or has "..". */
int place_find(struct place *out, const struct workdir *workdir, const struct user *user,
               const char *path, enum place_purpose purpose);
void place_free(struct place *p);

/* Opens `path` itself, which is a folder, with O_PATH. Follows a link at its end, too. Returns the
 * fd, or -1 with errno. */
int place_open_folder(const struct workdir *workdir, const struct user *user, const char *path,
                      enum place_purpose purpose);

#endif
