/* SPDX-License-Identifier: MIT */
/*
 * A bar on a terminal's stderr while something takes long. Elsewhere nothing is shown.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool terminal; /* stderr is one */
    bool shown;    /* there is something to clear */
};

void progress_init(struct progress *p);

/* "doing [####   ] 42 %"; "doing..." where the total is 0. */
void progress_show(struct progress *p, const char *doing, uint64_t done, uint64_t total);

/* Before anything else is written to stderr. */
void progress_clear(struct progress *p);

#endif
