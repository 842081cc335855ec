/* SPDX-License-Identifier: MIT */
#include "devices.h"
#include "stop.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PORTS "/sys/class/virtio-ports"
#define ORDER "/sys/module/page_reporting/parameters/page_reporting_order"

/* ms. A machine without hardware support may be slow. */
enum { PATIENCE = 60000, STEP = 2 };

enum { DISKS = 4 };

/* Returns the path of a module that could not be loaded, or NULL if all were loaded. */
static const char *load_modules(const char *folder)
{
    static char path[300];
    struct dirent **names;
    int count = scandir(folder, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "%.30s/%s", folder, names[i]->d_name);
        int fd = names[i]->d_name[0] == '.' ? -1 : open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            continue;
        if (syscall(SYS_finit_module, fd, "", 0) < 0 && errno != EEXIST)
            return path;
        close(fd);
    }
    return NULL;
}

void devices_load_modules(const char *folder)
{
    const char *failed = load_modules(folder);
    if (failed)
        stop("load", failed);
}

void devices_return_memory(void)
{
    /* Memory may be short by now, or the kernel may not support it. Neither must end the run. */
    if (load_modules("/balloon"))
        return;
    /* Free memory is returned in blocks of 2^5 pages. A small guest has few free blocks of the
     * kernel's default, 2^9 pages, and smaller blocks than 2^5 gain little. The order is written
     * after the device exists, because some kernels reset it at that time. */
    int fd = open(ORDER, O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        (void)!write(fd, "5", 1);
        close(fd);
    }
}

/* Reads a small file of sysfs, without its newline. */
static bool read_line(const char *path, char *line, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, line, size - 1);
    if (fd >= 0)
        close(fd);
    line[n > 0 ? n : 0] = '\0';
    line[strcspn(line, "\n")] = '\0';
    return n > 0;
}

static int find_port(const char *name)
{
    DIR *ports = opendir(PORTS);
    int fd = -1;
    for (struct dirent *e; fd < 0 && ports && (e = readdir(ports));) {
        char path[300], found[64];
        snprintf(path, sizeof(path), PORTS "/%s/name", e->d_name);
        if (!read_line(path, found, sizeof(found)) || strcmp(found, name) != 0)
            continue;
        snprintf(path, sizeof(path), "/dev/%s", e->d_name);
        fd = open(path, O_RDWR | O_CLOEXEC);
    }
    if (ports)
        closedir(ports);
    return fd;
}

int devices_open_port(const char *name)
{
    int fd = -1;
    for (int waited = 0; waited < PATIENCE; waited += STEP) {
        struct pollfd p = {.events = POLLOUT};
        if (fd < 0)
            fd = find_port(name);
        p.fd = fd;
        /* Until the other end is connected, a read would return the end of the stream. */
        if (fd >= 0 && poll(&p, 1, 0) >= 0 && !(p.revents & POLLHUP))
            return fd;
        usleep(STEP * 1000);
    }
    errno = ENODEV;
    stop("open", name);
}

/* The image's disk is the read-only disk. */
static void find_disk(char path[32], bool read_only)
{
    for (int waited = 0; waited < PATIENCE; waited += STEP) {
        for (int i = 0; i < DISKS; i++) {
            char flag[64], found[8];
            snprintf(flag, sizeof(flag), "/sys/block/vd%c/ro", 'a' + i);
            snprintf(path, 32, "/dev/vd%c", 'a' + i);
            if (read_line(flag, found, sizeof(found)) && (found[0] == '1') == read_only &&
                access(path, F_OK) == 0)
                return;
        }
        usleep(STEP * 1000);
    }
    errno = ENODEV;
    stop("find", read_only ? "the image's disk" : "the run's disk");
}

static void mount_disk(bool read_only, const char *type, const char *at, const char *options)
{
    char path[32];
    find_disk(path, read_only);
    if (mkdir(at, 0755) < 0 ||
        mount(path, at, type, (read_only ? MS_RDONLY : MS_NOATIME) | MS_NODEV, options) < 0)
        stop("mount", at);
}

void devices_mount_root(const struct settings *s)
{
    static const char *const folders[] = {"/scratch/upper/dev", "/scratch/upper/proc",
                                          "/scratch/upper/sys"};
    struct stat st;
    mount_disk(true, "erofs", "/image", NULL);
    mount_disk(false, "ext4", "/scratch", "noinit_itable,nodiscard");
    if (stat("/image", &st) < 0 || mkdir("/scratch/upper", 0755) < 0 ||
        mkdir("/scratch/work", 0755) < 0 || chown("/scratch/upper", st.st_uid, st.st_gid) < 0 ||
        chmod("/scratch/upper", st.st_mode & 07777) < 0)
        stop("lay out", "the run's disk");
    /* Folders in the upper layer hide links that the image may have in their place. */
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        if (mkdir(folders[i], 0755) < 0)
            stop("make", folders[i]);
    mkdir(DEVICES_ROOT, 0755);
    /* As in host/mount.c: folders of the image can be renamed, and a file with several names stays
     * one file. */
    if (mount("overlay", DEVICES_ROOT, "overlay", MS_NODEV | (s->suid ? 0 : MS_NOSUID),
              "lowerdir=/image,upperdir=/scratch/upper,workdir=/scratch/work,volatile,"
              "redirect_dir=on,index=on,xino=on") < 0)
        stop("mount", DEVICES_ROOT);
}
