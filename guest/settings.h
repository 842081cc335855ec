/* SPDX-License-Identifier: MIT */
/* What the supervisor has said of this run, on the kernel's command line: lr.NAME=VALUE. */
#ifndef GUEST_SETTINGS_H
#define GUEST_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

struct settings {
    char hostname[65];
    uint64_t memory; /* bytes that the container may have */
    uint64_t pids;   /* and processes */
    bool network;    /* there is an interface */
    bool suid;       /* programs may become another user */
    bool trial;      /* nothing of that: the machine is to show that it comes up */
};

void settings_read(struct settings *s);

#endif
