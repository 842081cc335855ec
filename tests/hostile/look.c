/* SPDX-License-Identifier: MIT */
/*
 * Prints what a program sees of its sandbox, one "KEY<tab>VALUE" a line: the attributes of its process, its descriptors, and
 * for the files of /dev, /proc and /sys what they are and whether they open. No file is written to, and few are read.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

static void say(const char *key, long value)
{
    if (value < 0)
        printf("process %s\t%s\n", key, strerrorname_np(errno));
    else
        printf("process %s\t%ld\n", key, value);
}

static void look_at_process(void)
{
    int number = -1;
    mode_t mask = umask(0);
    umask(mask);
    say("umask", mask);
    say("is leader of a session", getsid(0) == getpid());
    say("is leader of a group", getpgrp() == getpid());
    say("group of init", getpgid(1));
    say("session of init", getsid(1));
    say("terminal", open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK));
    say("personality", personality(0xffffffff));
    say("securebits", prctl(PR_GET_SECUREBITS));
    say("dumpable", prctl(PR_GET_DUMPABLE));
    say("timer slack", prctl(PR_GET_TIMERSLACK));
    say("no huge pages", prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
    say("store bypass", prctl(PR_GET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, 0, 0, 0));
    say("indirect branch", prctl(PR_GET_SPECULATION_CTRL, PR_SPEC_INDIRECT_BRANCH, 0, 0, 0));
    say("death signal", prctl(PR_GET_PDEATHSIG, &number) < 0 ? -1 : number);
    say("is subreaper", prctl(PR_GET_CHILD_SUBREAPER, &number) < 0 ? -1 : number);
    say("scheduler", sched_getscheduler(0));
    say("scheduler of init", sched_getscheduler(1));
    say("priority of I/O", syscall(SYS_ioprio_get, 1, 0));
    errno = 0;
    say("nice, from 20", 20 + getpriority(PRIO_PROCESS, 0));
}

/* A descriptor that is left open leads out of the sandbox. */
static void look_at_descriptors(void)
{
    for (int fd = 0; fd < 1024; fd++) {
        struct stat st;
        char path[64], target[256];
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        ssize_t length = readlink(path, target, sizeof(target));
        if (length > 0 && fstat(fd, &st) == 0)
            printf("descriptor %d\t%.*s %#o\n", fd, (int)strcspn(target, "["), target,
                   fcntl(fd, F_GETFL));
    }
}

static const char *opens(const char *path, int flags)
{
    int fd = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return strerrorname_np(errno);
    close(fd);
    return "yes";
}

static void look_at_file(const char *path, const struct stat *st)
{
    char target[256] = "";
    if (S_ISLNK(st->st_mode)) {
        ssize_t length = readlink(path, target, sizeof(target) - 1);
        printf("file %s\t-> %.*s\n", path, length > 0 ? (int)length : 0, target);
        return;
    }
    printf("file %s\t%06o %u:%u", path, st->st_mode, st->st_uid, st->st_gid);
    if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
        printf(" %u,%u", major(st->st_rdev), minor(st->st_rdev));
    /* What another device does when it is opened is not known (a watchdog begins to watch). */
    bool harmless = major(st->st_rdev) == 1 || major(st->st_rdev) == 5 || major(st->st_rdev) == 136;
    if ((S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) && !harmless)
        printf(" not opened\n");
    else if (S_ISDIR(st->st_mode))
        printf(" read %s\n", opens(path, O_RDONLY | O_DIRECTORY));
    else
        printf(" read %s write %s\n", opens(path, O_RDONLY), opens(path, O_WRONLY));
}

static void look_at_value(const char *path)
{
    char text[512];
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    printf("value %s\t", path);
    for (ssize_t i = 0; i < length; i++)
        putchar(text[i] == '\n' || text[i] == '\t' ? ' ' : text[i]);
    if (length < 0)
        fputs(strerrorname_np(errno), stdout);
    putchar('\n');
    if (fd >= 0)
        close(fd);
}

static const struct {
    const char *path;
    int depth;
    bool values;
} trees[] = {
    {"/dev", 8, false},
    {"/proc", 1, false},
    {"/proc/acpi", 3, false},
    {"/proc/asound", 3, false},
    {"/proc/bus", 2, false},
    {"/proc/fs", 1, false},
    {"/proc/irq", 1, false},
    {"/proc/scsi", 3, false},
    {"/proc/sys", 8, false},
    {"/proc/sys/net", 8, true},
    {"/proc/sys/fs/mqueue", 8, true},
    {"/proc/sys/user", 1, true},
    {"/sys", 2, false},
    {"/sys/devices/virtual/powercap", 3, false},
    {"/sys/firmware", 3, false},
    {"/sys/fs/cgroup", 8, false},
    {"/sys/kernel/debug", 3, false},
    {"/sys/kernel/tracing", 3, false},
    {"/run", 8, false},
};

/* Links of /sys lead to devices and modules, of which the machine may get more at any time. */
static bool is_volatile(const char *path, const struct stat *st)
{
    return (strncmp(path, "/sys/", 5) == 0 && S_ISLNK(st->st_mode)) ||
           strncmp(path, "/sys/module/", 12) == 0 ||
           (strncmp(path, "/proc/", 6) == 0 && path[6] >= '0' && path[6] <= '9');
}

static void walk(const char *path, int depth, bool values)
{
    struct stat st;
    if (lstat(path, &st) < 0 || is_volatile(path, &st))
        return;
    if (!values)
        look_at_file(path, &st);
    else if (S_ISREG(st.st_mode))
        look_at_value(path);
    DIR *folder = S_ISDIR(st.st_mode) && depth > 0 ? opendir(path) : NULL;
    for (struct dirent *e; folder && (e = readdir(folder));) {
        char below[1024];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(below, sizeof(below), "%s/%s", path, e->d_name);
        walk(below, depth - 1, values);
    }
    if (folder)
        closedir(folder);
}

static void look_at_file_systems(void)
{
    static const char *const places[] = {"/",           "/dev",  "/dev/shm",  "/dev/pts",
                                         "/dev/mqueue", "/proc", "/proc/sys", "/sys"};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct statfs fs;
        if (statfs(places[i], &fs) < 0)
            printf("statfs %s\t%s\n", places[i], strerrorname_np(errno));
        else
            printf("statfs %s\t%#lx flags %#lx blocks %lu\n", places[i], (unsigned long)fs.f_type,
                   (unsigned long)fs.f_flags, (unsigned long)fs.f_blocks);
    }
}

int main(void)
{
    extern char **environ;
    look_at_process();
    look_at_descriptors();
    look_at_file_systems();
    for (char **variable = environ; *variable; variable++)
        printf("environment %.*s\t%s\n", (int)strcspn(*variable, "="), *variable,
               *variable + strcspn(*variable, "="));
    for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++)
        walk(trees[i].path, trees[i].depth, trees[i].values);
    return 0;
}
