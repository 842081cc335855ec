/* SPDX-License-Identifier: MIT */
#include "box/box.h"

#include <errno.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SAFE (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC)

const struct box_filesystem box_filesystems[] = {
    {"proc", "proc", "/proc", SAFE | MOUNT_ATTR_NODEV, {{0}}},
    {"tmpfs",
     "tmpfs",
     "/dev",
     MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME,
     {{"mode", "755"}, {"size", "65536k"}}},
    {"devpts",
     "devpts",
     "/dev/pts",
     SAFE,
     {{"newinstance", NULL}, {"ptmxmode", "0666"}, {"mode", "0620"}, {BOX_TTY_GROUP, "5"}}},
    {"tmpfs", "shm", "/dev/shm", SAFE | MOUNT_ATTR_NODEV, {{"mode", "1777"}, {"size", "65536k"}}},
    {"mqueue", "mqueue", "/dev/mqueue", SAFE | MOUNT_ATTR_NODEV, {{0}}},
    {"sysfs", "sysfs", "/sys", SAFE | MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY, {{0}}},
    {0},
};

const struct box_device box_devices[BOX_DEVICES] = {{"null", 1, 3},    {"zero", 1, 5},
                                                    {"full", 1, 7},    {"random", 1, 8},
                                                    {"urandom", 1, 9}, {"tty", 5, 0}};

const struct box_option box_links[] = {
    {"fd", "/proc/self/fd"},
    {"stdin", "/proc/self/fd/0"},
    {"stdout", "/proc/self/fd/1"},
    {"stderr", "/proc/self/fd/2"},
    {"core", "/proc/kcore"},
    {"ptmx", "pts/ptmx"},
    {0},
};

/* RLIMIT_CORE is one byte. 0 would also prevent core files, but a core_pattern that pipes into a
 * program runs that program with every limit except 1. */
const struct box_limit box_limits[] = {
    {RLIMIT_NOFILE, {1024, 1048576}, false},
    {RLIMIT_CORE, {1, 1}, true},
    {.resource = -1},
};

const char *box_missing_call(void)
{
    /* Each call fails for lack of a valid argument before it does anything. */
    static const struct {
        const char *name;
        long number;
    } calls[] = {
        {"clone3", SYS_clone3},           {"openat2", SYS_openat2},
        {"fsopen", SYS_fsopen},           {"fsmount", SYS_fsmount},
        {"fsconfig", SYS_fsconfig},       {"open_tree", SYS_open_tree},
        {"move_mount", SYS_move_mount},   {"mount_setattr", SYS_mount_setattr},
        {"close_range", SYS_close_range},
    };
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        if (syscall(calls[i].number, -1, NULL, -1, NULL, 0) < 0 && errno == ENOSYS)
            return calls[i].name;
    return NULL;
}

void box_init(struct box *b)
{
    *b = (struct box){
        .user_namespace = -1,
        .network_namespace = -1,
        .parent = -1,
        .cgroup = -1,
        .root = -1,
        .agent = -1,
        .stdio = {-1, -1, -1},
    };
    for (size_t i = 0; i < BOX_DEVICES; i++)
        b->devices[i] = -1;
}
