/* SPDX-License-Identifier: MIT */
#include "settings.h"
#include "stop.h"

#include "wire/guest.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void set(struct settings *s, const char *name, const char *value)
{
    if (strcmp(name, GUEST_HOSTNAME) == 0)
        strncpy(s->hostname, value, sizeof(s->hostname) - 1);
    else if (strcmp(name, GUEST_MEMORY) == 0)
        s->memory = strtoull(value, NULL, 10);
    else if (strcmp(name, GUEST_PIDS) == 0)
        s->pids = strtoull(value, NULL, 10);
    else if (strcmp(name, GUEST_NETWORK) == 0)
        s->network = *value == '1';
    else if (strcmp(name, GUEST_SUID) == 0)
        s->suid = *value == '1';
    else if (strcmp(name, GUEST_TRIAL) == 0)
        s->trial = *value == '1';
}

void settings_read(struct settings *s)
{
    static char line[4096];
    int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
    if (n < 0)
        stop("read", "/proc/cmdline");
    close(fd);
    char *rest = line;
    for (char *word; (word = strsep(&rest, " \n"));) {
        char *value = strchr(word, '=');
        if (!value)
            continue;
        *value++ = '\0';
        set(s, word, value);
    }
    errno = EINVAL;
    if (!s->trial && (!s->hostname[0] || !s->memory || !s->pids))
        stop("read", "the settings of the run");
}
