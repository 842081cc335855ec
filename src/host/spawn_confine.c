/* SPDX-License-Identifier: MIT */
#include "host/spawn_confine.h"

#include "base/sanitizer.h"
#include "host/system_root.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* FILES_MAX: while fds are moved to their numbers, each of them is open three times. */
enum { PROCESSES_MAX = 64, FILES_MAX = 4 * SPAWN_MORE_MAX, CPU_MAX_S = 30 * 60 };

static int set_attributes(const struct spawn_tree *t)
{
    struct mount_attr attributes = {
        .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
        .attr_clr = t->writable ? MOUNT_ATTR_RDONLY : 0,
    };
    return mount_setattr(AT_FDCWD, t->name, 0, &attributes, sizeof(attributes));
}

static int make_root(const struct spawn_room *room, const char *program)
{
    /* Any folder that every system has will do. */
    if (system_root_begin("/proc") < 0 || system_root_show(program, &SPAWN_PROGRAM[1], false) < 0)
        return -1;
    for (size_t i = 0; i < room->tree_count; i++)
        if (system_root_show(room->trees[i].path, room->trees[i].name, room->trees[i].folder) < 0)
            return -1;
    if (system_root_seal() < 0)
        return -1;
    for (size_t i = 0; i < room->tree_count; i++)
        if (set_attributes(&room->trees[i]) < 0)
            return -1;
    return system_root_enter();
}

static int limit(int resource, rlim_t value)
{
    struct rlimit now;
    if (getrlimit(resource, &now) < 0)
        return -1;
    if (now.rlim_max < value)
        value = now.rlim_max;
    now = (struct rlimit){value, value};
    return setrlimit(resource, &now);
}

static int limit_all(const struct spawn_room *room)
{
#ifndef SHADOW_MEMORY
    if (room->max_memory && limit(RLIMIT_AS, room->max_memory) < 0)
        return -1;
#else
    (void)room;
#endif
    return limit(RLIMIT_NPROC, PROCESSES_MAX) < 0 || limit(RLIMIT_NOFILE, FILES_MAX) < 0 ||
                   limit(RLIMIT_CPU, CPU_MAX_S) < 0
               ? -1
               : 0;
}

/* Makes this process root in the namespace, and nobody outside. */
static int enter_user_namespace(int fd)
{
    /* EPERM: in a namespace with a single id, groups cannot be dropped. */
    return setns(fd, CLONE_NEWUSER) < 0 || (setgroups(0, NULL) < 0 && errno != EPERM) ||
                   setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0
               ? -1
               : 0;
}

/* A change of user clears the death signal, so it is set again. The check after that catches a
 * parent that has already died. */
static int die_with(int parent)
{
    struct pollfd dead = {.fd = parent, .events = POLLIN};
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return -1;
    if (poll(&dead, 1, 0) != 0) {
        errno = ESRCH;
        return -1;
    }
    return 0;
}

int spawn_confine(const struct spawn_walls *walls, const struct spawn_room *room,
                  const char *program, int parent)
{
    if (make_root(room, program) < 0 || limit_all(room) < 0 ||
        enter_user_namespace(walls->user_namespace) < 0 || die_with(parent) < 0)
        return -1;
    /* A kernel without keyrings has no session keyring to leave. */
    return syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS ? -1 : 0;
}

int spawn_put_on_filter(const struct spawn_walls *walls)
{
    struct sock_fprog program = {
        (unsigned short)(walls->filter_length / sizeof(struct sock_filter)),
        (struct sock_filter *)(void *)walls->filter};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}
