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
    /* QEMU ends where a machine would start again. No disk has to be written: the run's is thrown away. */
    reboot(RB_AUTOBOOT);
    for (;;)
        pause();
}
