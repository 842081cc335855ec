/* SPDX-License-Identifier: MIT */
#include "probe.h"

#include "base/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int probe_run(void)
{
    FILE *list = fopen("/proc/net/dev", "re");
    char line[512];
    if (!list)
        return 1;
    while (fgets(line, sizeof(line), list)) {
        char *name = line + strspn(line, " "), *colon = strchr(name, ':');
        if (!colon) /* a line of the table's header */
            continue;
        *colon = '\0';
        printf("interface %s\n", name);
    }
    fclose(list);
    list = fopen("/etc/resolv.conf", "re");
    while (list && fgets(line, sizeof(line), list))
        if (strncmp(line, "nameserver ", 11) == 0)
            fputs(line, stdout);
    if (list)
        fclose(list);
    return fflush(stdout) == 0 ? 0 : 1;
}
