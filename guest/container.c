/* SPDX-License-Identifier: MIT */
#include "container.h"
#include "devices.h"
#include "stop.h"

#include "box/box_launch.h"
#include "wire/guest.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define GROUP "/sys/fs/cgroup/run"

/* ---------------------------------------------------------------- the cgroup */

static void write_group(const char *file, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", GROUP, file);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        stop("write", path);
    close(fd);
}

static void write_number(const char *file, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRIu64, number);
    write_group(file, text);
}

void container_limit(const struct settings *s)
{
    /* As on a host with free memory: memory that is only reserved does not count. */
    int fd = open("/proc/sys/vm/overcommit_memory", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "1", 1) < 0)
        stop("write", "vm.overcommit_memory");
    close(fd);
    fd = open("/sys/fs/cgroup/cgroup.subtree_control", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "+memory +pids", 13) < 0 || mkdir(GROUP, 0755) < 0)
        stop("make", GROUP);
    close(fd);
    write_number("memory.max", s->memory);
    write_number("pids.max", s->pids);
}

void container_kill(void)
{
    write_group("cgroup.kill", "1");
}

static uint64_t read_number(const char *file, const char *key)
{
    char path[128], text[512];
    snprintf(path, sizeof(path), "%s/%s", GROUP, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    if (n < 0)
        return 0;
    text[n] = '\0';
    const char *at = key ? strstr(text, key) : text;
    return at ? strtoull(at + (key ? strlen(key) : 0), NULL, 10) : 0;
}

void container_report(int control)
{
    dprintf(control, GUEST_LINE_ENDED " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
            read_number("memory.events", "oom_kill "), read_number("memory.peak", NULL),
            read_number("pids.peak", NULL));
}

/* ---------------------------------------------------------------- the container */

/* What the root is assembled from. The root of an initramfs cannot be replaced, so these mounts are
 * taken away one by one. */
static const char *const outside[] = {DEVICES_ROOT, "/sys/fs/cgroup", "/sys",   "/proc",
                                      "/dev",       "/scratch",       "/image", NULL};

static int must(int fd, const char *what)
{
    if (fd < 0)
        stop("open", what);
    return fd;
}

/* There is no user namespace: the wall around this container is the machine. */
static void fill(struct box *b, const struct settings *s, int channel)
{
    box_init(b);
    b->joins_caller = true;
    b->outside = outside;
    b->cgroup = must(open(GROUP, O_RDONLY | O_DIRECTORY | O_CLOEXEC), GROUP);
    b->root =
        must(open_tree(AT_FDCWD, DEVICES_ROOT, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC), DEVICES_ROOT);
    b->agent = must(open("/agent", O_RDONLY | O_CLOEXEC), "the agent");
    b->stdio[0] = b->stdio[1] = channel;
    b->stdio[2] = STDERR_FILENO;
    b->name = "/.light-runner-init";
    b->hostname = s->hostname;
    /* The agent applies its limits and its filter by itself. */
    b->agent_confines = true;
    b->no_new_privileges = !s->suid;
}

pid_t container_start(const struct settings *s, int channel)
{
    static struct box b;
    struct box_failure failure;
    fill(&b, s, channel);
    pid_t pid = box_start(&b, &failure);
    if (pid < 0) {
        char text[BOX_FAILURE_TEXT];
        box_failure_text(&failure, text);
        errno = failure.error;
        stop("start", text);
    }
    close(b.cgroup);
    close(b.root);
    close(b.agent);
    return pid;
}
