/* SPDX-License-Identifier: MIT */
/*
 * Whether a sandbox is the one that was asked for, before anything of the user's is in it: which kernel the agent sees, and
 * what its kernel says of the agent's own confinement.
 *
 * It is the agent's word, and the agent is the first program of the sandbox: this finds a runtime or a daemon that does
 * less than it was told to, not an agent that somebody has taken over.
 */
#ifndef RUN_EVIDENCE_H
#define RUN_EVIDENCE_H

#include "run/life.h"

enum evidence {
    EVIDENCE_GOOD,   /* s->checked names what has been compared */
    EVIDENCE_BAD,    /* s->error says what is not as promised */
    EVIDENCE_BROKEN, /* this is not such a frame */
};

enum evidence evidence_of_kernel(struct supervisor *s, const struct frame *hello);
enum evidence evidence_of_walls(struct supervisor *s, const struct frame *walls);

#endif
