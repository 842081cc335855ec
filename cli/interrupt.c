/* SPDX-License-Identifier: MIT */
#include "interrupt.h"

#include "base/error.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Global, because a signal handler gets no pointer to our data. */
static int stop_fd = -1;
volatile int interrupt_came;

void interrupt_raise(void)
{
    uint64_t one = 1;
    int saved = errno;
    interrupt_came = 1;
    /* This can only fail when the counter is full, and then the fd is readable anyway. */
    ssize_t n = write(stop_fd, &one, sizeof(one));
    (void)n;
    errno = saved;
}

static void on_signal(int number)
{
    (void)number;
    interrupt_raise();
}

int interrupt_catch(lrun_error *err)
{
    stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (stop_fd < 0)
        return error_errno(err, LRUN_IO_FAILED, "cli.interrupt", errno, "cannot make an eventfd");
    /* No SA_RESTART, so that a signal interrupts a write to a reader that does not read. */
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    return stop_fd;
}
