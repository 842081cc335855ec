/* SPDX-License-Identifier: MIT */
/*
 * Checks that a sandbox is what was asked for, before any of the user's files or programs are in
 * it: which kernel the agent sees, and what that kernel says about the agent's own confinement.
 *
 * This relies on the agent's word, and the agent is the first program in the sandbox. It detects a
 * runtime or a daemon that does less than it was told to. It does not detect an agent that somebody
 * has taken over.
 */
#ifndef RUN_EVIDENCE_H
#define RUN_EVIDENCE_H

#include "run/life.h"

enum evidence {
    EVIDENCE_GOOD,   /* s->checked names what was compared */
    EVIDENCE_BAD,    /* s->error says what differs from the promise */
    EVIDENCE_BROKEN, /* the frame is malformed */
};

enum evidence evidence_of_kernel(struct supervisor *s, const struct frame *hello);
enum evidence evidence_of_walls(struct supervisor *s, const struct frame *walls);

#endif
