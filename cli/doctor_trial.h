/* SPDX-License-Identifier: MIT */
/*
 * What the checks of doctor cannot see (a registered runtime whose program is missing, a system call that is forbidden, a
 * network without an interface) a run sees: one of a tiny image that holds the agent, which prints the names of its
 * network interfaces.
 */
#ifndef CLI_DOCTOR_TRIAL_H
#define CLI_DOCTOR_TRIAL_H

#include "engine/engine.h"

enum { DOCTOR_IMAGE_SIZE = 64 };

/*
 * Imports the image, under a name that `clean --images` removes as well should this process be killed. Errors: those of
 * import_image(): NOT_SUPPORTED if a program that only an import needs is missing.
 */
int doctor_trial_image(char name[DOCTOR_IMAGE_SIZE], const struct engine *engine, lrun_error *err);

struct doctor_trial {
    const char *engine, *tier, *image; /* in */
    bool ok;
    bool nameless;        /* it is ok, but no name server is known in it */
    bool without_network; /* it is ok with the network none alone */
    lrun_error error;     /* if it is not ok */
};

/* All at once: the longest decides how long it takes. */
void doctor_trial_run(struct doctor_trial *trials, size_t count);

#endif
