/* SPDX-License-Identifier: MIT */
#include "engine/local/own_files.h"

#include "base/cleanup.h"
#include "base/libexec.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static const char operation[] = "local.prepare";

int own_files_copy_agent(const char *target, lrun_error *err)
{
    cleanup_free char *agent = libexec_find("light-runner-agent", err);
    if (!agent)
        return -1;
    struct stat st;
    cleanup_close int from = open(agent, O_RDONLY | O_CLOEXEC);
    cleanup_close int to = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0555);
    if (from < 0 || to < 0 || fstat(from, &st) < 0)
        return error_errno(err, LRUN_START_FAILED, operation, errno, "cannot copy '%s' to '%s'",
                           agent, target);
    for (off_t at = 0; at < st.st_size;) {
        ssize_t n = sendfile(to, from, &at, (size_t)(st.st_size - at));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_errno(err, LRUN_START_FAILED, operation, n < 0 ? errno : EIO,
                               "cannot copy '%s' to '%s'", agent, target);
    }
    return 0;
}

/* The devices that crun and runc show in every sandbox, see mem(4), random(4) and tty(4). */
static const struct {
    const char *name;
    unsigned major, minor;
} devices[] = {{"null", 1, 3},   {"zero", 1, 5},    {"full", 1, 7},
               {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};

int own_files_make_devices(const char *folder, lrun_error *err)
{
    for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
        char own[128], shared[32];
        snprintf(own, sizeof(own), "%s/%s", folder, devices[i].name);
        snprintf(shared, sizeof(shared), "/dev/%s", devices[i].name);
        /* chmod() sets the mode, because mknod() obeys the umask. */
        if (mknod(own, S_IFCHR, makedev(devices[i].major, devices[i].minor)) < 0 ||
            chmod(own, 0666) < 0 || mount(own, shared, NULL, MS_BIND, NULL) < 0)
            return error_errno(err, LRUN_START_FAILED, operation, errno,
                               "cannot make a node of the run's own for '%s'", shared);
    }
    return 0;
}
