/* SPDX-License-Identifier: MIT */
/*
 * For tests: a supervisor that stops itself (SIGSTOP) when it comes to the phase that
 * LIGHT_RUNNER_TEST_HOLD names, so that something can be done to it, or to what belongs to it, at just
 * that moment. Whoever can set it for a supervisor can stop it anyway.
 */
#ifndef RUN_HOLD_H
#define RUN_HOLD_H

/* prepare, start, run, input (between poll() and read() of stdin), collect, destroy, state */
void hold_at(const char *phase);

#endif
