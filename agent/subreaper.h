/* SPDX-License-Identifier: MIT */
/*
 * The subreaper of a command: a small process between the agent and one of several commands. It is the
 * subreaper of the command's descendants, so that they can be told from those of other commands
 * however they hide: a daemon whose parent has ended becomes the subreaper's child. It reports the end
 * of the command, goes on as long as the command has descendants, and then ends with code 0.
 *
 * It ignores all signals that can be ignored. If something in the sandbox kills it, its children
 * become the agent's own, and the agent kills them.
 */
#ifndef AGENT_SUBREAPER_H
#define AGENT_SUBREAPER_H

#include "launch.h"

#include <sys/resource.h>

/* The subreaper writes two of these, each in one piece: after the start, with the pid alone, and at the
 * end of the command. */
struct subreaper_report {
    pid_t pid;
    bool ended;
    int wait_status;
    struct rusage usage; /* of the command and the descendants that it has waited for */
};

/* Starts the subreaper, which starts the command. *report is the reading end of the pipe for its
 * reports, non-blocking. Returns the subreaper's pid, or -1 with errno. */
pid_t subreaper_start(const struct launch *l, int *report);

#endif
