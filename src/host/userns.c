/* SPDX-License-Identifier: MIT */
#include "host/userns.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "host/id_range.h"
#include "host/process.h"
#include "host/rootless.h"

#include <assert.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char operation[] = "userns.open";

enum { MAKE_TIMEOUT_MS = 10000 };

static_assert(ID_RANGE_END <= USERNS_FILES_FIRST, "the range for files is none of the runs'");

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

/* Keeps the capabilities: on some machines nobody can make a user namespace without them. */
static int become(uint32_t id)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setresgid(id, id, id) < 0 ||
        setresuid(id, id, id) < 0 || syscall(SYS_capget, &header, data) < 0)
        return -1;
    for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
        data[i].effective = data[i].permitted;
    return (int)syscall(SYS_capset, &header, data);
}

/* In the child: makes the namespaces, reports that by one byte, and waits to be killed, so that the
 * parent can open them. */
static _Noreturn void make(int done, uint32_t owner, bool net)
{
    /* Not needed without root: in the end, all namespaces below count against the user's own
     * limits. */
    if ((geteuid() == 0 && !rootless_active() && become(owner) < 0) ||
        unshare(CLONE_NEWUSER | (net ? CLONE_NEWNET : 0)) < 0)
        dprintf(done, "%c", errno);
    /* A change of user clears the death signal, so it is set again. If the parent has already
     * ended, nobody reads the pipe, and SIGPIPE ends this process. */
    else if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && write(done, "", 1) == 1)
        for (;;)
            pause();
    _exit(1);
}

void userns_abandon(struct userns_birth *b)
{
    process_destroy(&b->child);
    cleanup_close_fd(&b->done);
}

int userns_begin(struct userns_birth *out, uint32_t first, bool net, lrun_error *err)
{
    int ends[2];
    *out = USERNS_BIRTH_NONE;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_errno(err, LRUN_START_FAILED, operation, errno, "cannot make a pipe");
    cleanup_close int done = ends[0], theirs = ends[1];
    pid_t pid = process_clone(&out->child, 0);
    if (pid == 0) {
        close(steal_fd(&done));
        make(theirs, first, net);
    }
    if (pid < 0)
        return error_errno(err, LRUN_START_FAILED, operation, errno, "cannot fork");
    out->done = steal_fd(&done);
    out->first = first;
    out->net = net;
    return 0;
}

static int finish(struct userns_birth *b, int *user, int *net, const char *map, lrun_error *err)
{
    unsigned char failed = 0;
    if (io_read_exact(b->done, &failed, 1, clock_ms() + MAKE_TIMEOUT_MS) < 0 || failed)
        return error_errno(err, LRUN_START_FAILED, operation, failed ? failed : errno,
                           "cannot make a user namespace");
    cleanup_close int user_fd = open_namespace(b->child.pid, "user");
    cleanup_close int net_fd = b->net ? open_namespace(b->child.pid, "net") : -1;
    if (user_fd < 0 || (b->net && net_fd < 0) || write_maps(b->child.pid, map) < 0)
        return error_errno(err, LRUN_START_FAILED, operation, errno,
                           "cannot map the user namespace");
    *user = steal_fd(&user_fd);
    if (b->net)
        *net = steal_fd(&net_fd);
    return 0;
}

int userns_finish(struct userns_birth *b, int *user, int *net, const struct id_map *map,
                  lrun_error *err)
{
    char text[ID_MAP_TEXT];
    id_map_text(map, text);
    int failed = finish(b, user, net, text, err);
    userns_abandon(b);
    return failed;
}

int userns_open(int *user, int *net, uint32_t first, uint32_t count, lrun_error *err)
{
    struct userns_birth birth;
    struct id_map map;
    id_map_init(&map, first, count);
    return userns_begin(&birth, first, net != NULL, err) < 0
               ? -1
               : userns_finish(&birth, user, net, &map, err);
}

int userns_open_files(int *user, lrun_error *err)
{
    const uint32_t first = USERNS_FILES_FIRST, size = ID_RANGE_SIZE, behind = first + size;
    char map[128];
    snprintf(map, sizeof(map), "0 %u %u\n%u %u %u\n%u %u %u\n", first, size, size, size,
             first - size, behind, behind, UINT32_MAX - behind);
    __attribute__((cleanup(userns_abandon))) struct userns_birth birth;
    return userns_begin(&birth, first, false, err) < 0 ? -1 : finish(&birth, user, NULL, map, err);
}
