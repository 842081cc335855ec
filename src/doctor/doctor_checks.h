/* SPDX-License-Identifier: MIT */
/* Checks for everything that runs need from this machine. Each check names the command that fixes
 * the problem. */
#ifndef DOCTOR_DOCTOR_CHECKS_H
#define DOCTOR_DOCTOR_CHECKS_H

#include <stdbool.h>

struct finding {
    bool ok;
    bool skipped; /* not needed by the runs of this user */
    char detail[200];
    char fix[240];
};

enum who { ALL, ROOT, USER };

struct doctor_check {
    const char *name;
    void (*function)(struct finding *f);
    /* not every run needs it: for example to make images, for the default network, or for GPUs */
    bool optional;
    enum who who;     /* whose runs need it */
    const char *tier; /* the tier that needs it; NULL: all */
};

enum { DOCTOR_CHECKS = 30 };
extern const struct doctor_check doctor_checks[DOCTOR_CHECKS];

/* Executes all checks and fills in their findings. */
void doctor_check_all(struct finding findings[DOCTOR_CHECKS]);

#endif
