/* SPDX-License-Identifier: MIT */
#include "host/inherited.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "host/walled.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/ioprio.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define OOM_SCORE_ADJ "/proc/self/oom_score_adj"

/* Between the host's programs, which are generally at 0, and the command, which the agent sets to
 * 1000. */
enum { OOM_SCORE_SANDBOX = 500 };

/* The kernel's own defaults, if it has any; lower if the caller's hard limit is lower. NOFILE is
 * finite because a program may look at every number up to it. */
static const struct {
    int resource;
    rlim_t soft, hard;
} limits[] = {
    {RLIMIT_RTPRIO, 0, 0},
    {RLIMIT_NICE, 0, 0},
    {RLIMIT_SIGPENDING, 4096, 4096},
    {RLIMIT_MSGQUEUE, 819200, 819200},
    {RLIMIT_MEMLOCK, 8 << 20, 8 << 20},
    {RLIMIT_NOFILE, 1 << 20, 1 << 20},
    {RLIMIT_STACK, 8 << 20, RLIM_INFINITY},
    {RLIMIT_RTTIME, RLIM_INFINITY, RLIM_INFINITY},
    {RLIMIT_CPU, RLIM_INFINITY, RLIM_INFINITY},
    {RLIMIT_FSIZE, RLIM_INFINITY, RLIM_INFINITY},
    {RLIMIT_DATA, RLIM_INFINITY, RLIM_INFINITY},
    {RLIMIT_AS, RLIM_INFINITY, RLIM_INFINITY},
    {RLIMIT_RSS, RLIM_INFINITY, RLIM_INFINITY},
    {RLIMIT_LOCKS, RLIM_INFINITY, RLIM_INFINITY},
};

static int reset_limits(void)
{
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        struct rlimit now, want = {limits[i].soft, limits[i].hard};
        if (setrlimit(limits[i].resource, &want) == 0)
            continue;
        /* A higher hard limit takes CAP_SYS_RESOURCE. */
        if (errno != EPERM || getrlimit(limits[i].resource, &now) < 0)
            return -1;
        want.rlim_max = now.rlim_max;
        if (want.rlim_cur > want.rlim_max)
            want.rlim_cur = want.rlim_max;
        if (setrlimit(limits[i].resource, &want) < 0)
            return -1;
    }
    return 0;
}

static int reset_priorities(void)
{
    const struct sched_param none = {0};
    int policy = sched_getscheduler(0);
    long io = syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0);
    errno = 0;
    int nice = getpriority(PRIO_PROCESS, 0);
    if (policy < 0 || (nice == -1 && errno))
        return -1;
    if (policy != SCHED_OTHER && policy != SCHED_BATCH && policy != SCHED_IDLE &&
        sched_setscheduler(0, SCHED_OTHER, &none) < 0)
        return -1;
    if (nice < 0 && setpriority(PRIO_PROCESS, 0, 0) < 0)
        return -1;
    /* Some kernels do not have the call. */
    return io >= 0 && IOPRIO_PRIO_CLASS(io) != IOPRIO_CLASS_IDLE
               ? (int)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, 0)
               : 0;
}

static void reset_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* SIGKILL and the C library's own signals cannot be set; they already have their default. */
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
}

/* Raises the score to `least` if it is lower. */
static int raise_oom_score(int least)
{
    char value[16];
    cleanup_free char *now = io_read_file_at(AT_FDCWD, OOM_SCORE_ADJ, sizeof(value), NULL);
    if (!now)
        return -1;
    snprintf(value, sizeof(value), "%d", least);
    return atoi(now) < least ? io_write_control(AT_FDCWD, OOM_SCORE_ADJ, value) : 0;
}

int inherited_reset(void)
{
    reset_signals();
    return personality(PER_LINUX) < 0 || reset_limits() < 0 || reset_priorities() < 0 ||
                   raise_oom_score(0) < 0
               ? -1
               : 0;
}

int inherited_yield_memory(void)
{
    return raise_oom_score(OOM_SCORE_SANDBOX);
}

int inherited_limit(rlim_t files_max)
{
    struct rlimit files, core = {1, 1};
    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return -1;
    if (files.rlim_max > files_max)
        files.rlim_max = files_max;
    files.rlim_cur = files.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &files) < 0 || setrlimit(RLIMIT_CORE, &core) < 0 ? -1 : 0;
}
