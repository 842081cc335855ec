/* SPDX-License-Identifier: MIT */
/*
 * take LIMIT: takes of what the kernel counts per user, up to LIMIT of each: inotify instances and queued signals. Prints
 * "NAME COUNT" for what it has got and, once everything is taken, "held"; then waits to be killed.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

static int take_instances(int limit)
{
    int n = 0;
    while (n < limit && inotify_init1(0) >= 0)
        n++;
    return n;
}

static int take_signals(int limit)
{
    sigset_t set;
    const union sigval none = {0};
    int n = 0;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    while (n < limit && sigqueue(getpid(), SIGRTMIN, none) == 0)
        n++;
    return n;
}

int main(int argc, char **argv)
{
    int limit = argc > 1 ? atoi(argv[1]) : 1;
    printf("instances %d\nsignals %d\nheld\n", take_instances(limit), take_signals(limit));
    fflush(stdout);
    for (;;)
        pause();
}
