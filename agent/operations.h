/* SPDX-License-Identifier: MIT */
/* All operations on files that are in flight (operation.h). */
#ifndef AGENT_OPERATIONS_H
#define AGENT_OPERATIONS_H

#include "operation.h"

/* How many there may be at once. One more is answered with an error. */
enum { OPERATIONS_MAX = 16 };

struct operations {
    struct channel *channel;
    const struct user *user;
    const struct workdir *workdir;
    size_t count;
    struct operation *all[OPERATIONS_MAX];
};

void operations_init(struct operations *os, struct channel *channel, const struct user *user,
                     const struct workdir *workdir);

/* Whether the frame is about an operation. */
bool operations_are_meant(const struct frame *f);

/* Whether the frame must wait for another operation's end. Only a run's extractions do, which the
 * supervisor may send ahead: they have no number to tell them apart. */
bool operations_must_wait(const struct operations *os, const struct frame *f);

/* Takes a frame about an operation; the fields are valid. Returns 0, or -1 with *failure set: the
 * sandbox cannot go on. */
int operations_take(struct operations *os, const struct frame *f, struct failure *failure);

/* Whether one of them could do something now: then the loop must not wait. */
bool operations_are_ready(const struct operations *os);

/* Lets each do a part of its work. Returns like operations_take(). */
int operations_turn(struct operations *os, struct failure *failure);

#endif
