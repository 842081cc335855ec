/* SPDX-License-Identifier: MIT */
#include "host/loop.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* ms. LOOP_CONFIGURE takes the kernel a millisecond, and longer on a busy machine. */
enum { LOOP_PATIENCE = 10000, LOOP_SAME = 50, LOOP_QUEUE = 20000 };

struct loop_search {
    int control;
    int number;    /* the last answer */
    int64_t since; /* when it was the answer for the first time in a row */
};

/*
 * Returns the number of a device that is free, at least for the moment, or -1. All who ask get the
 * same one until somebody has configured it. So one that has stayed the answer for LOOP_SAME, perhaps
 * because a program has opened it for itself alone, is passed over: -1 stands for a new device.
 */
static int loop_find(struct loop_search *s)
{
    int number = ioctl(s->control, LOOP_CTL_GET_FREE);
    if (number != s->number)
        s->since = clock_ms();
    s->number = number;
    return clock_ms() - s->since < LOOP_SAME ? number : ioctl(s->control, LOOP_CTL_ADD, -1);
}

/* A pause, of another length for each process, between two attempts. */
static void loop_pause(unsigned attempt)
{
    unsigned most_us = attempt < 10 ? 100 + 200 * attempt : 2000;
    unsigned us = 50 + ((unsigned)getpid() * 7919u + attempt * 104729u) % most_us;
    nanosleep(&(struct timespec){.tv_nsec = (long)us * 1000}, NULL);
}

/*
 * Waits until no other run is looking for a device. If hundreds looked at once, all of them would open
 * the same device, one would have it, and most would find none for seconds. The lock is a courtesy: if
 * it takes too long, because its holder was stopped, we look without it. It ends with the fd.
 */
static void loop_queue(int control)
{
    int64_t deadline = clock_ms() + LOOP_QUEUE;
    for (unsigned attempt = 0; flock(control, LOCK_EX | LOCK_NB) < 0 && clock_ms() < deadline;
         attempt++)
        loop_pause(attempt);
}

int loop_attach(int file, bool read_only, char path[LOOP_PATH])
{
    cleanup_close int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    if (control < 0)
        return -1;
    struct loop_search search = {.control = control, .number = -1};
    loop_queue(control);
    int64_t deadline = clock_ms() + LOOP_PATIENCE;
    /* Another program may take the device before we configure it: ask again. */
    for (unsigned attempt = 0; clock_ms() < deadline; attempt++) {
        if (attempt > 0)
            loop_pause(attempt);
        int number = loop_find(&search);
        if (number < 0)
            return -1;
        snprintf(path, LOOP_PATH, "/dev/loop%d", number);
        cleanup_close int device = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
        if (device < 0) {
            if (errno == ENOENT || errno == EBUSY || errno == ENXIO)
                continue;
            return -1;
        }
        struct loop_config config = {
            .fd = (uint32_t)file,
            .block_size = 4096,
            .info.lo_flags = LO_FLAGS_AUTOCLEAR | (read_only ? LO_FLAGS_READ_ONLY : 0),
        };
        if (ioctl(device, LOOP_CONFIGURE, &config) == 0)
            return steal_fd(&device);
        if (errno != EBUSY)
            return -1;
    }
    errno = EBUSY;
    return -1;
}

int loop_hint(int failed, lrun_error *err)
{
    return error_hint(err, "%s",
                      failed == EBUSY ? "many runs start at once: try again"
                                      : "load the loop driver: modprobe loop");
}
