/* SPDX-License-Identifier: MIT */
#include "stop.h"

#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

_Noreturn void stop(const char *what, const char *name)
{
    dprintf(STDERR_FILENO, "light-runner: cannot %s %.200s: %s\n", what, name, strerror(errno));
    stop_machine();
}

_Noreturn void stop_machine(void)
{
    /* QEMU exits at the point where a real machine would restart. No disk needs to be synced,
     * because the run's disk is thrown away. */
    reboot(RB_AUTOBOOT);
    for (;;)
        pause();
}
