/* SPDX-License-Identifier: MIT */
/*
 * For tests: a supervisor stops itself (SIGSTOP) when it reaches the phase that
 * LIGHT_RUNNER_TEST_HOLD names. A test can then act on it, or on something that belongs to it, at
 * exactly that moment. Anyone who can set the variable for a supervisor can stop it anyway.
 */
#ifndef RUN_HOLD_H
#define RUN_HOLD_H

/* prepare, start, run, input (between poll() and read() of stdin), collect, destroy, state */
void hold_at(const char *phase);

#endif
