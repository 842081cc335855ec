/* SPDX-License-Identifier: MIT */
#include "host/system_root.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Makes a file or folder to mount on. */
static int make_place(const char *name, bool folder)
{
    if (folder)
        return mkdir(name, 0755);
    cleanup_close int fd = open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    return fd < 0 ? -1 : 0;
}

int system_root_show(const char *from, const char *to, bool folder)
{
    return make_place(to, folder) < 0 ||
                   mount(from, to, NULL, MS_BIND | (folder ? MS_REC : 0), NULL) < 0
               ? -1
               : 0;
}

int system_root_show_tree(int tree, const char *to, bool folder)
{
    return make_place(to, folder) < 0 ||
                   move_mount(tree, "", AT_FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH) < 0
               ? -1
               : 0;
}

/* Shows the system's folders. Some of them may be links into /usr. */
static int show_system(void)
{
    static const char *const folders[] = {"usr", "lib", "lib32", "lib64", "bin", "sbin"};
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        char path[32], target[64];
        struct stat st;
        snprintf(path, sizeof(path), "/%s", folders[i]);
        if (lstat(path, &st) < 0)
            continue;
        ssize_t n = S_ISLNK(st.st_mode) ? readlink(path, target, sizeof(target) - 1) : -1;
        target[n > 0 ? n : 0] = '\0';
        if ((n < 0 ? system_root_show(path, folders[i], true) : symlink(target, folders[i])) < 0)
            return -1;
    }
    return 0;
}

int system_root_begin(const char *at)
{
    umask(0);
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("root", at, "tmpfs", MS_NOSUID, "mode=0755,size=1m") < 0 || chdir(at) < 0 ||
        mkdir("dev", 0755) < 0 || mkdir("etc", 0755) < 0 || show_system() < 0 ||
        system_root_show("/dev/null", "dev/null", false) < 0 ||
        system_root_show("/dev/urandom", "dev/urandom", false) < 0)
        return -1;
    return access("/etc/ld.so.cache", R_OK) == 0
               ? system_root_show("/etc/ld.so.cache", "etc/ld.so.cache", false)
               : 0;
}

int system_root_seal(void)
{
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID};
    return mount_setattr(AT_FDCWD, ".", AT_RECURSIVE, &attributes, sizeof(attributes));
}

int system_root_enter(void)
{
    return syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0
               ? -1
               : 0;
}
