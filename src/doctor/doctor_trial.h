/* SPDX-License-Identifier: MIT */
/*
 * Trial runs find problems that the checks of doctor cannot see: a registered runtime whose program
 * is missing, a forbidden system call, a network without an interface. The image of a trial is tiny
 * and holds the agent, which prints the names of its network interfaces.
 */
#ifndef DOCTOR_DOCTOR_TRIAL_H
#define DOCTOR_DOCTOR_TRIAL_H

#include "engine/engine.h"

enum { DOCTOR_IMAGE_SIZE = 64 };

/*
 * Imports the image. `clean --images` removes images of this name, too, in case this process is
 * killed. Errors: those of import_image(); NOT_SUPPORTED if a program that only imports need is
 * missing.
 */
int doctor_trial_image(char name[DOCTOR_IMAGE_SIZE], const char *engine, lrun_error *err);

struct doctor_trial {
    const char *engine, *tier, *image; /* input */
    bool ok;
    bool nameless;        /* it is ok, but it has no usable name server */
    bool without_network; /* it is ok only with the network none */
    lrun_error error;     /* if it is not ok */
};

/* Runs all trials at once, so the longest one decides how long this takes. */
void doctor_trial_run(struct doctor_trial *trials, size_t count);

#endif
