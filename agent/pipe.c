/* SPDX-License-Identifier: MIT */
#include "pipe.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* In a folder that every gVisor sandbox has. */
#define NAMED "/dev/shm/.light-runner-pipe"

enum { MODE = 0666 };

/* Opens both ends without blocking, so that the reading end does not wait for the writing end.
 * Afterwards both ends block. */
static int open_named(int ends[2])
{
    cleanup_close int reader = open(NAMED, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    cleanup_close int writer = open(NAMED, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (reader < 0 || writer < 0 || fstat(reader, &st) < 0 || !S_ISFIFO(st.st_mode) ||
        fchmod(reader, MODE) < 0 || fcntl(reader, F_SETFL, 0) < 0 || fcntl(writer, F_SETFL, 0) < 0)
        return -1;
    ends[0] = steal_fd(&reader);
    ends[1] = steal_fd(&writer);
    return 0;
}

/* Other commands may be running and see the name. They belong to the same tenant, and can replace
 * it only by a fifo of their own. */
static int make_named(int ends[2])
{
    if (mkfifo(NAMED, 0600) < 0)
        return -1;
    int failed = open_named(ends);
    (void)unlink(NAMED);
    return failed;
}

int pipe_make(int ends[2], const struct user *user, bool output)
{
    int plain[2];
    if (pipe2(plain, O_CLOEXEC) < 0)
        return -1;
    cleanup_close int reader = plain[0], writer = plain[1];
    /* In gVisor the mode of an unnamed pipe cannot be changed. A named pipe does not work for
     * input: once the writing end is closed, opening the pipe would wait for another writer. */
    if (fchmod(reader, MODE) < 0 && errno == EPERM && output && make_named(ends) == 0) {
        cleanup_close_fd(&reader);
        cleanup_close_fd(&writer);
        reader = ends[0];
        writer = ends[1];
    }
    if (user->uid != 0 && fchown(reader, user->uid, user->gid) < 0)
        return -1;
    ends[0] = steal_fd(&reader);
    ends[1] = steal_fd(&writer);
    return 0;
}
