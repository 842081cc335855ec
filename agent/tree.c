/* SPDX-License-Identifier: MIT */
#include "tree.h"

#include "base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The number of processes is limited by the sandbox, and this is the highest limit. */
enum { PROCESSES_MAX = 65536, STAT_MAX = 1024 };

enum descent { UNKNOWN, INSIDE, OUTSIDE };

struct process {
    pid_t pid;
    pid_t parent;
    unsigned long long began; /* the pid and this time together name one process */
    bool dead;
    enum descent descent;
};

struct table {
    struct process *processes; /* sorted by pid */
    size_t count, room;
};

static void table_free(struct table *t)
{
    free(t->processes);
}

/* Opens the process's folder and reads what is needed. Returns its fd, or -1 if there is no such
 * process. */
static int open_process(const char *pid, struct process *out)
{
    char path[32], text[STAT_MAX + 1];
    snprintf(path, sizeof(path), "/proc/%.16s", pid);
    cleanup_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cleanup_close int stat = fd < 0 ? -1 : openat(fd, "stat", O_RDONLY | O_CLOEXEC);
    ssize_t n = stat < 0 ? -1 : read(stat, text, STAT_MAX);
    if (n <= 0)
        return -1;
    text[n] = '\0';
    /* The program's name is in parentheses, and may contain some of its own. */
    const char *end = strrchr(text, ')');
    char state;
    int parent;
    *out = (struct process){.pid = (pid_t)atoi(pid)};
    if (!end || sscanf(end,
                       ") %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u "
                       "%*d %*d %*d %*d %*d %*d %llu",
                       &state, &parent, &out->began) != 3)
        return -1;
    out->parent = parent;
    out->dead = state == 'Z' || state == 'X';
    return steal_fd(&fd);
}

static int compare(const void *a, const void *b)
{
    const struct process *x = a, *y = b;
    return (x->pid > y->pid) - (x->pid < y->pid);
}

static bool add(struct table *t, const struct process *p)
{
    if (t->count == t->room) {
        size_t room = t->room ? 2 * t->room : 64;
        struct process *more =
            room > PROCESSES_MAX ? NULL : realloc(t->processes, room * sizeof(*more));
        if (!more)
            return false;
        t->processes = more;
        t->room = room;
    }
    t->processes[t->count++] = *p;
    return true;
}

static bool list(struct table *t)
{
    DIR *folder = opendir("/proc");
    const struct dirent *e;
    bool complete = folder != NULL;
    while (complete && (e = readdir(folder)) != NULL) {
        struct process p;
        if (e->d_name[0] < '1' || e->d_name[0] > '9')
            continue;
        cleanup_close int fd = open_process(e->d_name, &p);
        complete = fd < 0 || add(t, &p);
    }
    if (folder)
        closedir(folder);
    if (complete && t->count > 0)
        qsort(t->processes, t->count, sizeof(*t->processes), compare);
    return complete;
}

static struct process *find(const struct table *t, pid_t pid)
{
    const struct process key = {.pid = pid};
    return t->count == 0 ? NULL
                         : bsearch(&key, t->processes, t->count, sizeof(*t->processes), compare);
}

/* A parent that is younger than its child is another process, which has got the parent's pid. */
static struct process *parent_of(const struct table *t, const struct process *p)
{
    struct process *parent = find(t, p->parent);
    return parent && parent->began <= p->began ? parent : NULL;
}

/* Follows the parents up to the first process whose descent is known, and notes the answer for all
 * on the way. */
static void resolve(const struct table *t, struct process *p)
{
    enum descent found = OUTSIDE;
    struct process *at = p;
    for (size_t steps = 0; at && steps <= t->count; steps++) {
        if (at->descent != UNKNOWN) {
            found = at->descent;
            break;
        }
        at = parent_of(t, at);
    }
    for (at = p; at && at->descent == UNKNOWN; at = parent_of(t, at))
        at->descent = found;
}

static void send_signal(const struct process *p, int signal)
{
    char pid[16];
    struct process now;
    snprintf(pid, sizeof(pid), "%d", (int)p->pid);
    cleanup_close int fd = open_process(pid, &now);
    if (fd < 0 || now.began != p->began)
        return;
    /* Through the open folder the signal cannot reach another process that gets the same pid. Not
     * every kernel and every seccomp profile can do that. */
    if (syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0) < 0 && errno != ESRCH)
        kill(p->pid, signal);
}

static bool signal_all(pid_t root, const pid_t *spared, size_t count, int signal)
{
    __attribute__((cleanup(table_free))) struct table t = {0};
    if (!list(&t))
        return true;
    struct process *top = find(&t, root);
    if (!top)
        return false;
    top->descent = INSIDE;
    for (size_t i = 0; i < count; i++) {
        struct process *p = find(&t, spared[i]);
        if (p)
            p->descent = OUTSIDE;
    }
    bool any = false;
    for (size_t i = 0; i < t.count; i++) {
        struct process *p = &t.processes[i];
        resolve(&t, p);
        if (p->descent != INSIDE || p->dead || p->pid == root)
            continue;
        any = true;
        send_signal(p, signal);
    }
    return any;
}

bool tree_kill(pid_t root, const pid_t *spared, size_t count)
{
    return signal_all(root, spared, count, SIGKILL);
}

void tree_signal(pid_t root, int signal)
{
    (void)signal_all(root, NULL, 0, signal);
}
