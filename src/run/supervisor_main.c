/* SPDX-License-Identifier: MIT */
/*
 * light-runner-supervisor: started by the library, once per run. Not for people.
 */
#include "run/supervisor.h"

#include "host/inherited.h"
#include "wire/supervisor_fds.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc != 3 || strcmp(argv[1], "run") != 0 || fcntl(SUPERVISOR_CANCEL, F_GETFD) < 0) {
        fprintf(stderr,
                "light-runner-supervisor is started by light-runner; run 'light-runner --help'\n");
        return 125;
    }
    /* Whatever else the caller has open is none of ours, and nothing of ours is the runtime's. */
    close_range(SUPERVISOR_CANCEL + 1, ~0u, 0);
    for (int fd = SUPERVISOR_CALLER; fd <= SUPERVISOR_CANCEL; fd++)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (inherited_reset() < 0) {
        perror("light-runner-supervisor: cannot reset what it has inherited");
        return 125;
    }
    signal(SIGPIPE, SIG_IGN);
    /* Our own files are not the caller's affair; those that come out of the sandbox are. */
    return supervisor_run(argv[2], umask(022));
}
