/* SPDX-License-Identifier: MIT */
#include "host/delegation.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "host/rootless.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define OPERATION "cgroup.delegation"

/* v2: a cgroup with processes of its own cannot pass controllers down, so the processes of a
 * delegated cgroup are moved into this one below it. */
#define CALLERS "light-runner.callers"

enum { PROCS_MAX = 1 << 20, MOVES = 16 };

static const struct purpose {
    unsigned bit;
    const char *v1, *v2; /* the controller's name; v2 NULL: no controller is needed */
    const char *option;  /* the name by which a request allows it; NULL: it is not a limit */
} purposes[] = {
    {CGROUP_MEMORY, "memory", "memory", "memory"}, {CGROUP_CPUS, "cpu", "cpu", "cpus"},
    {CGROUP_PIDS, "pids", "pids", "pids"},         {CGROUP_CPU_USAGE, "cpuacct", NULL, NULL},
    {CGROUP_FREEZING, "freezer", NULL, NULL},
};

enum { PURPOSE_COUNT = sizeof(purposes) / sizeof(purposes[0]) };

/* Writes the path of our own cgroup in the v2 hierarchy, or "". */
static void read_own_cgroup(char *out, size_t size)
{
    cleanup_free char *text = io_read_file_at(AT_FDCWD, "/proc/self/cgroup", 65536, NULL);
    const char *line = text ? strstr(text, "0::/") : NULL;
    out[0] = '\0';
    if (!line || (line != text && line[-1] != '\n'))
        return;
    line += strlen("0::");
    size_t length = strcspn(line, "\n");
    /* An earlier run in this cgroup has moved its processes to CALLERS. */
    static const char callers[] = "/" CALLERS;
    size_t tail = sizeof(callers) - 1;
    if (length >= tail && memcmp(line + length - tail, callers, tail) == 0)
        length -= tail;
    if (length < size)
        snprintf(out, size, "%.*s", (int)length, line);
}

char *delegation_root(void)
{
    char own[1024] = "", *root = NULL;
    if (rootless_host_uid() != 0 && cgroup_detect(CGROUP_ROOT) == CGROUP_V2)
        read_own_cgroup(own, sizeof(own));
    return asprintf(&root, "%s%s", CGROUP_ROOT, strcmp(own, "/") == 0 ? "" : own) < 0 ? NULL : root;
}

static bool may_write(const char *folder, const char *name)
{
    char path[2048];
    int n = snprintf(path, sizeof(path), "%s/%s", folder, name);
    return n > 0 && (size_t)n < sizeof(path) && faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0;
}

static bool has_word(const char *text, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = text; at && (at = strstr(at, word)); at += length)
        if ((at == text || at[-1] == ' ') && strchr(" \n", at[length]))
            return true;
    return false;
}

static unsigned lacking_v2(const char *root)
{
    char path[2048];
    snprintf(path, sizeof(path), "%s/cgroup.controllers", root);
    cleanup_free char *list = io_read_file_at(AT_FDCWD, path, 4096, NULL);
    unsigned lacking = 0;
    if (!list || !may_write(root, ".") || !may_write(root, "cgroup.procs") ||
        !may_write(root, "cgroup.subtree_control"))
        return CGROUP_ALL;
    for (int i = 0; i < PURPOSE_COUNT; i++)
        if (purposes[i].v2 && !has_word(list, purposes[i].v2))
            lacking |= purposes[i].bit;
    return lacking;
}

static unsigned lacking_v1(const char *root)
{
    unsigned lacking = 0;
    for (int i = 0; i < PURPOSE_COUNT; i++) {
        char folder[128];
        snprintf(folder, sizeof(folder), "%s/" CGROUP_PARENT, purposes[i].v1);
        if (!may_write(root, folder))
            lacking |= purposes[i].bit;
    }
    return lacking;
}

unsigned delegation_lacking(const char *root)
{
    if (rootless_host_uid() == 0)
        return 0;
    switch (cgroup_detect(root)) {
    case CGROUP_V2:
        return lacking_v2(root);
    case CGROUP_V1:
        return lacking_v1(root);
    case CGROUP_NONE:
        break;
    }
    return CGROUP_ALL;
}

void delegation_name_limits(char *out, size_t size, unsigned limits)
{
    size_t used = 0;
    out[0] = '\0';
    for (int i = 0; i < PURPOSE_COUNT; i++)
        if ((limits & purposes[i].bit) && purposes[i].option && used < size) {
            int n = snprintf(out + used, size - used, "%s%s", used ? "," : "", purposes[i].option);
            used += n > 0 ? (size_t)n : 0;
        }
}

void delegation_hint(char *out, size_t size, const char *root)
{
    if (cgroup_detect(root) == CGROUP_V1)
        snprintf(out, size,
                 "sudo install -d -o %u " CGROUP_ROOT "/{memory,cpu,cpuacct,pids,freezer}/%s",
                 (unsigned)rootless_host_uid(), CGROUP_PARENT);
    else
        snprintf(out, size, "systemd-run --user --scope -p Delegate=yes light-runner ...");
}

/* Moves every process of the cgroup into a cgroup below it. */
static int vacate(const char *root, lrun_error *err)
{
    cleanup_close int top = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (top < 0 || (mkdirat(top, CALLERS, 0755) < 0 && errno != EEXIST))
        return error_errno(err, LRUN_START_FAILED, OPERATION, errno,
                           "cannot make the cgroup '%s/%s'", root, CALLERS);
    /* Processes may fork meanwhile, so repeat until none is left. */
    for (int i = 0; i < MOVES; i++) {
        cleanup_free char *list = io_read_file_at(top, "cgroup.procs", PROCS_MAX, NULL);
        if (list && !*list)
            return 0;
        for (char *line = list, *end; line && (end = strchr(line, '\n')); line = end + 1) {
            *end = '\0';
            if (io_write_control(top, CALLERS "/cgroup.procs", line) < 0 && errno != ESRCH)
                return error_errno(err, LRUN_START_FAILED, OPERATION, errno,
                                   "cannot move process %s out of the cgroup '%s'", line, root);
        }
    }
    return error_set(err, LRUN_START_FAILED, OPERATION,
                     "the processes of the cgroup '%s' fork too fast to be moved", root);
}

static int refuse(const char *root, unsigned lacking, unsigned allowed, lrun_error *err)
{
    char names[64], all[64], command[256];
    delegation_name_limits(names, sizeof(names), lacking & ~allowed);
    delegation_name_limits(all, sizeof(all), lacking);
    delegation_hint(command, sizeof(command), root);
    error_set(err, LRUN_START_FAILED, OPERATION,
              "without root these limits cannot be enforced here: %s", names);
    return error_hint(err, "%s   or run without them: --allow-unenforced %s", command, all);
}

int delegation_open(char **root, unsigned *leave_out, unsigned allowed, lrun_error *err)
{
    cleanup_free char *found = delegation_root();
    if (!found)
        return error_oom(err, OPERATION);
    *leave_out = delegation_lacking(found);
    if (*leave_out & CGROUP_LIMITS & ~allowed)
        return refuse(found, *leave_out & CGROUP_LIMITS, allowed, err);
    bool own = rootless_host_uid() != 0 && cgroup_detect(found) == CGROUP_V2;
    if (own && (~*leave_out & CGROUP_LIMITS) && vacate(found, err) < 0)
        return -1;
    *root = steal_ptr(found);
    return 0;
}
