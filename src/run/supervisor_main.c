/* SPDX-License-Identifier: MIT */
/*
 * light-runner-supervisor: the library starts it once per run. It is not meant for people.
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
    /* Other open files of the caller do not concern us, and the runtime must not get any of
     * ours. */
    close_range(SUPERVISOR_CANCEL + 1, ~0u, 0);
    for (int fd = SUPERVISOR_CALLER; fd <= SUPERVISOR_CANCEL; fd++)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (inherited_reset() < 0) {
        perror("light-runner-supervisor: cannot reset what it has inherited");
        return 125;
    }
    signal(SIGPIPE, SIG_IGN);
    /* The caller's umask applies to files from the sandbox, not to our own files. */
    return supervisor_run(argv[2], umask(022));
}
