/* SPDX-License-Identifier: MIT */
/* What the result says of a run or a session as a whole: how it ended, what it used, and which
 * sandbox it was in. */
#ifndef RUN_OUTCOME_H
#define RUN_OUTCOME_H

#include "run/life.h"

/* Fills in s->result.isolation, once the evidence was checked. */
void outcome_describe(struct supervisor *s);

/* Fills in the rest of s->result. `now` is in microseconds. */
void outcome_complete(struct supervisor *s, const struct cgroup_usage *usage, int64_t now);

#endif
