/* SPDX-License-Identifier: MIT */
#include "file_limit.h"

#include <stdbool.h>
#include <sys/resource.h>

static struct rlimit original;
static bool raised;

void file_limit_raise(void)
{
    if (raised || getrlimit(RLIMIT_NOFILE, &original) < 0 || original.rlim_cur >= original.rlim_max)
        return;
    const struct rlimit more = {.rlim_cur = original.rlim_max, .rlim_max = original.rlim_max};
    raised = setrlimit(RLIMIT_NOFILE, &more) == 0;
}

void file_limit_restore(void)
{
    if (raised)
        setrlimit(RLIMIT_NOFILE, &original);
}
