/* SPDX-License-Identifier: MIT */
#include "base/process_identity.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Two fields of /proc/PID/stat. `start` is in ticks since the machine booted. */
struct stat_line {
    char status; /* 'Z': the process has ended, and nobody has waited for it */
    unsigned long long start;
};

static bool read_stat(struct stat_line *out, pid_t pid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    cleanup_free char *text = io_read_file_at(AT_FDCWD, path, 4096, NULL);
    /* The name in the second field may hold anything; the start is the 20th field after it. */
    char *at = text ? strrchr(text, ')') : NULL;
    if (!at || at[1] != ' ' || !at[2])
        return false;
    out->status = at[2];
    for (int i = 0; at && i < 20; i++)
        at = strchr(at + 1, ' ');
    out->start = at ? strtoull(at + 1, NULL, 10) : 0;
    return out->start > 0;
}

/* Returns the current boot of this machine, and our PID namespace. */
static void place(char boot[37], unsigned long long *namespace_inode)
{
    struct stat st;
    cleanup_free char *text =
        io_read_file_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, NULL);
    snprintf(boot, 37, "%.36s", text ? text : "-");
    *namespace_inode = stat("/proc/self/ns/pid", &st) == 0 ? (unsigned long long)st.st_ino : 0;
}

void process_identity(char out[PROCESS_IDENTITY_SIZE])
{
    char boot[37];
    unsigned long long inode;
    struct stat_line self = {0};
    place(boot, &inode);
    if (!read_stat(&self, getpid()))
        self.start = 0;
    snprintf(out, PROCESS_IDENTITY_SIZE, "%s %llu %d %llu", boot, inode, (int)getpid(), self.start);
}

enum process_fate process_fate(const char *identity)
{
    char boot[37], their_boot[37];
    unsigned long long inode, their_inode, start;
    int pid;
    struct stat_line now;
    place(boot, &inode);
    if (sscanf(identity, "%36s %llu %d %llu", their_boot, &their_inode, &pid, &start) != 4 ||
        pid <= 0 || start == 0 || inode == 0 || inode != their_inode ||
        strcmp(boot, their_boot) != 0)
        return PROCESS_UNKNOWN;
    if (read_stat(&now, pid))
        return now.start != start || now.status == 'Z' || now.status == 'X' ? PROCESS_GONE
                                                                            : PROCESS_ALIVE;
    /* /proc may hide the process, or we may be out of fds. Only the kernel's ESRCH proves that no
     * process has this number. */
    return kill(pid, 0) < 0 && errno == ESRCH ? PROCESS_GONE : PROCESS_UNKNOWN;
}
