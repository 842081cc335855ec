/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include <stdio.h>
#include <unistd.h>

void progress_init(struct progress *p)
{
    *p = (struct progress){.terminal = isatty(STDERR_FILENO) == 1};
}

void progress_show(struct progress *p, const char *doing, uint64_t done, uint64_t total)
{
    static const char full[] = "##############################";
    const int width = (int)sizeof(full) - 1;
    if (!p->terminal)
        return;
    if (total) {
        double part = done >= total ? 1 : (double)done / (double)total;
        fprintf(stderr, "\r%s [%-*.*s] %3d %%", doing, width, (int)(part * width), full,
                (int)(part * 100));
    } else {
        fprintf(stderr, "\r%s...", doing);
    }
    p->shown = true;
}

void progress_clear(struct progress *p)
{
    if (p->shown)
        fprintf(stderr, "\r%60s\r", "");
    p->shown = false;
}
