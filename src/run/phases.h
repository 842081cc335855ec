/* SPDX-License-Identifier: MIT */
/*
 * The phases of a run: what is done when the agent, the network or the input has something, and how
 * a run gets to its end. supervisor.c has the way through, and the loop that calls these.
 */
#ifndef RUN_PHASES_H
#define RUN_PHASES_H

#include "run/life.h"

/* To END: kills the sandbox. Nothing happens when that was done already. */
void phase_end(struct supervisor *s);
/* The same, with s->error, which has been filled, as the outcome. */
void phase_fail(struct supervisor *s);
/* To END, with SIGKILL as the command's end. */
void phase_killed(struct supervisor *s);
void phase_cancel(struct supervisor *s);

/* RUN: the command has had its time, by the clock or of the processors. */
void phase_time_is_up(struct supervisor *s, bool of_cpu);
/* RUN: whether it has had its CPU time; sets when to look again. */
void phase_look_at_cpu(struct supervisor *s);
/* The files that were wanted in any case cannot be had any more; the result says why. */
void phase_lose_files(struct supervisor *s, const char *reason);

/* SEED: makes frames of `dir` as far as the channel has room. */
void phase_fill_seed(struct supervisor *s);
/* RUN: moves stdin along, as far as the agent's credit goes. */
void phase_feed_input(struct supervisor *s);
/* START: the network is up, or never will be. */
void phase_on_network(struct supervisor *s, bool up);
/* RUN: does what a CONTROL frame says; `user` is the supervisor. -1 with the error that is the
 * answer; 1: it is answered later (control_fn). */
int phase_control(void *user, const struct frame *f, lrun_error *err);
/* RUN: a pause or a resume has come to its end on the engine. */
void phase_on_paused(struct supervisor *s);
/* Deals with the frames that have come. */
void phase_take_frames(struct supervisor *s);
/* The sandbox's end of the channel is closed: it is dead, or as good as that. */
void phase_on_agent_gone(struct supervisor *s);

#endif
