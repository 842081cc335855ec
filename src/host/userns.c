/* SPDX-License-Identifier: MIT */
#include "host/userns.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "host/process.h"

#include <assert.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Above what systemd, subuid files and directory services hand out, below the 2^31 at which some
 * tools take an id for a negative number. */
#define RANGE_FIRST 0x60000000u
#define RANGE_COUNT 0x1FFFu

uint32_t userns_base(const char *id)
{
    /* The id ends in random hex digits. A collision is harmless: it is two runs as without ranges.
     */
    size_t length = strlen(id);
    uint32_t number = (uint32_t)strtoul(id + (length > 6 ? length - 6 : 0), NULL, 16);
    return RANGE_FIRST + number % RANGE_COUNT * USERNS_SIZE;
}

static_assert(RANGE_FIRST + (uint64_t)RANGE_COUNT * USERNS_SIZE <= USERNS_FILES_FIRST,
              "the range for files is none of the runs'");

static int write_maps(pid_t pid, const char *map)
{
    static const char *const files[] = {"uid_map", "gid_map"};
    char path[64];
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, files[i]);
        if (io_write_control(AT_FDCWD, path, map) < 0)
            return -1;
    }
    return 0;
}

static int open_namespace(pid_t pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static int open_mapped(int *user, int *net, const char *map, lr_error *err)
{
    struct process child;
    pid_t pid = process_clone(&child, CLONE_NEWUSER | (net ? CLONE_NEWNET : 0));
    if (pid == 0) {
        process_forget_environment();
        /* It is there to be looked at, until it is killed. */
        for (;;)
            pause();
    }
    if (pid < 0)
        return error_errno(err, LR_CONTAINER_START_FAILED, "userns.open", errno,
                           "cannot make a user namespace");
    cleanup_close int user_fd = open_namespace(pid, "user");
    cleanup_close int net_fd = net ? open_namespace(pid, "net") : -1;
    int failed =
        user_fd < 0 || (net && net_fd < 0) || write_maps(pid, map) < 0 ? errno : 0;
    process_destroy(&child);
    if (failed)
        return error_errno(err, LR_CONTAINER_START_FAILED, "userns.open", failed,
                           "cannot map the user namespace");
    *user = steal_fd(&user_fd);
    if (net)
        *net = steal_fd(&net_fd);
    return 0;
}

int userns_open(int *user, int *net, uint32_t first, uint32_t count, lr_error *err)
{
    char map[64];
    snprintf(map, sizeof(map), "0 %u %u\n", first, count);
    return open_mapped(user, net, map, err);
}

int userns_open_files(int *user, lr_error *err)
{
    const uint32_t first = USERNS_FILES_FIRST, behind = first + USERNS_SIZE;
    char map[128];
    snprintf(map, sizeof(map), "0 %u %u\n%u %u %u\n%u %u %u\n", first, USERNS_SIZE, USERNS_SIZE,
             USERNS_SIZE, first - USERNS_SIZE, behind, behind, UINT32_MAX - behind);
    return open_mapped(user, NULL, map, err);
}
