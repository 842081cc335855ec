/* SPDX-License-Identifier: MIT */
/*
 * The phases of a run: how it reacts when the agent, the network or the input has something for it,
 * and how it ends. supervisor.c has the sequence of the phases and the loop that calls these
 * functions.
 */
#ifndef RUN_PHASES_H
#define RUN_PHASES_H

#include "run/life.h"

/* RUN: the command has used up its time: CPU time if `of_cpu`, else wall-clock time. */
void phase_time_is_up(struct supervisor *s, bool of_cpu);
/* RUN: checks whether the command has used up its CPU time, and sets when to look again. */
void phase_look_at_cpu(struct supervisor *s);
/* SEED: makes frames from `dir` while the channel has room. */
void phase_fill_seed(struct supervisor *s);
/* RUN: forwards stdin, as far as the agent's credit allows. */
void phase_feed_input(struct supervisor *s);
/* START: the network is up, or never will be. */
void phase_on_network(struct supervisor *s, bool up);
/* RUN: does what a CONTROL frame says; `user` is the supervisor. Returns as control_fn does. */
/* The order for the sandbox that was reserved. Takes the caller's fd for stdin. */
int phase_take_order(struct supervisor *s, const struct frame *f, lrun_error *err);

int phase_control(void *user, const struct frame *f, lrun_error *err);
/* RUN: the engine has finished a pause or a resume. */
void phase_on_paused(struct supervisor *s);
/* Handles the frames that have arrived. */
void phase_take_frames(struct supervisor *s);
/* The sandbox's end of the channel is closed: the sandbox is dead, or as good as dead. */
void phase_on_agent_gone(struct supervisor *s);

#endif
