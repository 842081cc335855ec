/* SPDX-License-Identifier: MIT */
#include "tier/vm/guest_files.h"

#include "base/cleanup.h"
#include "base/libexec.h"
#include "host/spawn.h"

#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

static const char operation[] = "guest.files";

static const char hint[] = "apt-get install linux-image-cloud-amd64, or use --runtime runsc";

enum { MAKE_TIMEOUT_MS = 60000 };

static bool is_complete(const char *release)
{
    char path[160];
    snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", release);
    return strlen(release) < 65 && access(path, R_OK) == 0;
}

/* A kernel that is made for VMs is smaller, and does not look for hardware that VMs never have. */
static bool is_better(const char *a, const char *b)
{
    bool cloud_a = strstr(a, "cloud") != NULL, cloud_b = strstr(b, "cloud") != NULL;
    return cloud_a != cloud_b ? cloud_a : strverscmp(a, b) > 0;
}

int guest_files_release(char release[65], lrun_error *err)
{
    static const char prefix[] = "vmlinuz-";
    const char *chosen = secure_getenv("LIGHT_RUNNER_GUEST_KERNEL");
    release[0] = '\0';
    if (chosen && *chosen) {
        if (is_complete(chosen) && !strchr(chosen, '/')) {
            strcpy(release, chosen);
            return 0;
        }
        error_set(err, LRUN_START_FAILED, operation,
                  "LIGHT_RUNNER_GUEST_KERNEL: there is no /lib/modules/%.64s", chosen);
        return error_hint(err, "name one of those in /lib/modules, or none for the newest");
    }
    cleanup_closedir DIR *boot = opendir("/boot");
    for (struct dirent *e; boot && (e = readdir(boot));) {
        const char *found = e->d_name + strlen(prefix);
        if (strncmp(e->d_name, prefix, strlen(prefix)) == 0 && is_complete(found) &&
            (!release[0] || is_better(found, release)))
            strcpy(release, found);
    }
    if (release[0])
        return 0;
    error_set(err, LRUN_START_FAILED, operation,
              "no kernel for the VM: /boot has none with its modules in /lib/modules");
    return error_hint(err, "%s", hint);
}

static uint64_t mix(uint64_t hash, const struct stat *st)
{
    const uint64_t parts[] = {(uint64_t)st->st_ino, (uint64_t)st->st_size,
                              (uint64_t)st->st_mtim.tv_sec, (uint64_t)st->st_mtim.tv_nsec};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        hash = (hash ^ parts[i]) * 0x100000001b3;
    return hash;
}

/* The name changes with every version of the contents. */
static int name_of(char *name, size_t size, const char *release, const char *init,
                   const char *agent, lrun_error *err)
{
    char kernel[128], modules[128];
    snprintf(kernel, sizeof(kernel), "/boot/vmlinuz-%s", release);
    snprintf(modules, sizeof(modules), "/lib/modules/%s/modules.dep", release);
    const char *const parts[] = {kernel, modules, init, agent};
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        struct stat st;
        if (stat(parts[i], &st) < 0) {
            error_errno(err, LRUN_START_FAILED, operation, errno, "cannot read '%s'", parts[i]);
            return error_hint(err, "%s", hint);
        }
        hash = mix(hash, &st);
    }
    snprintf(name, size, "guest-%s-%016" PRIx64, release, hash);
    return 0;
}

static int open_one(int dirfd, const char *name, const char *kind)
{
    char file[160];
    snprintf(file, sizeof(file), "%s%s", name, kind);
    return openat(dirfd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

static bool open_both(struct guest_files *f, int dirfd, const char *name)
{
    f->kernel = open_one(dirfd, name, ".kernel");
    f->initramfs = open_one(dirfd, name, GUEST_FILES_SIGNED);
    f->is_signed = f->initramfs >= 0;
    if (!f->is_signed)
        f->initramfs = open_one(dirfd, name, GUEST_FILES_UNSIGNED);
    if (f->kernel >= 0 && f->initramfs >= 0)
        return true;
    guest_files_close(f);
    return false;
}

int guest_files_open(struct guest_files *out, const char *folder, lrun_error *err)
{
    char name[128];
    *out = GUEST_FILES_NONE;
    cleanup_free char *init = libexec_find("light-runner-guest-init", err);
    cleanup_free char *agent = init ? libexec_find("light-runner-agent", err) : NULL;
    if (!agent || guest_files_release(out->release, err) < 0 ||
        name_of(name, sizeof(name), out->release, init, agent, err) < 0)
        return -1;
    cleanup_close int dirfd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dirfd >= 0 && open_both(out, dirfd, name))
        return 0;
    cleanup_free char *maker = libexec_find("light-runner-initramfs", err);
    if (!maker)
        return -1;
    const char *const argv[] = {maker, folder, name, out->release, init, agent, NULL};
    if (spawn_program(argv, MAKE_TIMEOUT_MS, NULL, 0, LRUN_START_FAILED, err) < 0)
        return -1;
    return open_both(out, dirfd, name)
               ? 0
               : error_errno(err, LRUN_START_FAILED, operation, errno,
                             "cannot open the files of the guest in '%s'", folder);
}

void guest_files_close(struct guest_files *files)
{
    cleanup_close_fd(&files->kernel);
    cleanup_close_fd(&files->initramfs);
}
