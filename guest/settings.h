/* SPDX-License-Identifier: MIT */
/* The settings of this run. The supervisor passes them on the kernel's command line, each as
 * lr.NAME=VALUE. */
#ifndef GUEST_SETTINGS_H
#define GUEST_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

struct settings {
    char hostname[65];
    uint64_t memory; /* bytes that the container may use */
    uint64_t pids;   /* processes that it may have */
    bool network;    /* there is an interface to the outside */
    bool suid;       /* programs may become another user */
    bool trial;      /* none of these is set: the machine only shows that it boots */
};

void settings_read(struct settings *s);

#endif
