/* SPDX-License-Identifier: MIT */
/* A module that an attacker plants in the place of the engine's module. When it is loaded, it
 * creates a file beside itself. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int here;

__attribute__((constructor)) static void leave_a_mark(void)
{
    Dl_info info;
    char path[4096];
    if (dladdr(&here, &info) == 0)
        return;
    snprintf(path, sizeof(path), "%s.ran", info.dli_fname);
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}
