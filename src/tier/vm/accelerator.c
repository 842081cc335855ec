/* SPDX-License-Identifier: MIT */
#include "tier/vm/accelerator.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "tier/vm/qemu.h"
#include "wire/guest.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>

/* ms. On a processor that works, a guest is up in a tenth of that. */
enum { TRIAL_TIMEOUT = 6000 };

enum { CONSOLE_MAX = 4096, NOBODY = 65534 };

#define TRIAL_MEMORY ((uint64_t)160 << 20)

/* Whether the answer appears on the console in time. */
static bool answers(int console)
{
    char text[CONSOLE_MAX + 1];
    size_t length = 0;
    int64_t deadline = clock_ms() + TRIAL_TIMEOUT;
    while (length < CONSOLE_MAX) {
        struct pollfd p = {.fd = console, .events = POLLIN};
        int ready = poll(&p, 1, io_poll_timeout(deadline));
        if (ready < 0 && errno == EINTR)
            continue;
        ssize_t n = ready > 0 ? read(console, text + length, CONSOLE_MAX - length) : 0;
        if (n <= 0)
            return false;
        length += (size_t)n;
        text[length] = '\0';
        if (strstr(text, GUEST_TRIAL_ANSWER))
            return true;
    }
    return false;
}

static int try_kvm(bool *works, const char *qemu, const struct guest_files *files, const char *root,
                   lrun_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_errno(err, LRUN_START_FAILED, "accelerator", errno, "cannot make a pipe");
    cleanup_close int ours = ends[0], theirs = ends[1];
    struct process process = {.pidfd = -1};
    const struct qemu_launch launch = {
        .path = qemu,
        .accelerator = ACCELERATOR_KVM,
        .files = files,
        .root = root,
        .uid = NOBODY,
        .memory_bytes = TRIAL_MEMORY,
        .cpus = 1,
        .settings = GUEST_TRIAL "=1",
        .image = -1,
        .disk = -1,
        .agent = -1,
        .control = -1,
        .console = theirs,
    };
    if (qemu_start(&process, &launch, err) < 0)
        return -1;
    cleanup_close_fd(&theirs);
    *works = answers(ours);
    process_destroy(&process);
    return 0;
}

/* Each boot of the machine and each kernel of the guest has its own name. */
static int name_of(char *name, size_t size, const char *release)
{
    cleanup_free char *boot =
        io_read_file_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64, NULL);
    if (!boot)
        return -1;
    boot[strcspn(boot, "\n")] = '\0';
    snprintf(name, size, "accelerator-%s-%s", release, boot);
    return 0;
}

static const char *read_answer(int folder, const char *file)
{
    cleanup_free char *known = io_read_file_at(folder, file, 16, NULL);
    if (!known)
        return NULL;
    return strcmp(known, ACCELERATOR_KVM) == 0 ? ACCELERATOR_KVM : ACCELERATOR_TCG;
}

static bool has_device(void)
{
    cleanup_close int device = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    return device >= 0;
}

const char *accelerator_known(const char *release, const char *folder)
{
    char file[192];
    if (!has_device())
        return ACCELERATOR_TCG;
    cleanup_close int dirfd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return dirfd < 0 || name_of(file, sizeof(file), release) < 0 ? NULL : read_answer(dirfd, file);
}

int accelerator_find(const char **name, const char *qemu, const struct guest_files *files,
                     const char *folder, const char *root, lrun_error *err)
{
    char file[192];
    *name = ACCELERATOR_TCG;
    if (!has_device())
        return 0;
    cleanup_close int dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0 || name_of(file, sizeof(file), files->release) < 0)
        return error_errno(err, LRUN_START_FAILED, "accelerator", errno, "cannot read '%s'",
                           folder);
    const char *known = read_answer(dirfd, file);
    if (!known) {
        bool works = false;
        if (try_kvm(&works, qemu, files, root, err) < 0)
            return -1;
        known = works ? ACCELERATOR_KVM : ACCELERATOR_TCG;
        /* If the answer cannot be saved, the next run tries again. */
        (void)io_write_file_atomic(dirfd, file, known, strlen(known), 0600);
        /* Answers of earlier boots, and for other kernels. */
        io_remove_others(dirfd, "accelerator-", file);
    }
    *name = known;
    return 0;
}
