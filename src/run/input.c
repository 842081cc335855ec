/* SPDX-License-Identifier: MIT */
#include "run/input.h"

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

bool input_is_pollable(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode);
}

static void ignore_alarm(int number)
{
    (void)number;
}

/* A timer interrupts the read. It fires repeatedly, because the first signal may come before read()
 * waits. */
static ssize_t read_for_a_moment(int fd, void *to, size_t length)
{
    static const struct itimerval moment = {{0, INPUT_WAIT_MS * 1000}, {0, INPUT_WAIT_MS * 1000}};
    static const struct itimerval off = {0};
    const struct sigaction interrupt = {.sa_handler = ignore_alarm}; /* without SA_RESTART */
    if (sigaction(SIGALRM, &interrupt, NULL) < 0 || setitimer(ITIMER_REAL, &moment, NULL) < 0)
        return -1;
    ssize_t n = read(fd, to, length);
    int failed = errno;
    (void)setitimer(ITIMER_REAL, &off, NULL);
    errno = failed;
    return n;
}

ssize_t input_read(int fd, void *to, size_t length)
{
    struct iovec part = {to, length};
    ssize_t n = preadv2(fd, &part, 1, -1, RWF_NOWAIT);
    /* Linux supports it for pipes and sockets since 6.4, and in no version for fifos and
     * terminals. */
    bool unsupported = n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL);
    return unsupported ? read_for_a_moment(fd, to, length) : n;
}
