/* SPDX-License-Identifier: MIT */
/*
 * A progress bar for work that takes long. It is shown only if stderr is a terminal.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool terminal; /* stderr is one */
    bool shown;    /* there is a bar to clear */
};

void progress_init(struct progress *p);

/* Shows "doing [####   ] 42 %", or "doing..." if the total is 0. */
void progress_show(struct progress *p, const char *doing, uint64_t done, uint64_t total);

/* Clears the bar. Call this before anything else is written to stderr. */
void progress_clear(struct progress *p);

#endif
