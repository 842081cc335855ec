/* SPDX-License-Identifier: MIT */
/* What runs need of this machine: a table of checks, each of which names the command that fixes what is missing. */
#ifndef CLI_DOCTOR_CHECKS_H
#define CLI_DOCTOR_CHECKS_H

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
    bool optional; /* not needed by every run: to make images, or for the default network, GPUs */
    enum who who;  /* whose runs need it */
    const char *tier; /* the one that needs it; NULL: all */
};

enum { DOCTOR_CHECKS = 30 };
extern const struct doctor_check doctor_checks[DOCTOR_CHECKS];

/* What was found, for each check. */
void doctor_check_all(struct finding findings[DOCTOR_CHECKS]);

#endif
