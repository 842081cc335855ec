/* SPDX-License-Identifier: MIT */
#include "engine/local/own_files.h"

#include "base/cleanup.h"
#include "base/libexec.h"
#include "box/box.h"

#include <fcntl.h>
#include <stdio.h>
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

int own_files_make_devices(const char *folder, lrun_error *err)
{
    for (size_t i = 0; i < BOX_DEVICES; i++) {
        const struct box_device *d = &box_devices[i];
        char path[128];
        snprintf(path, sizeof(path), "%s/%s", folder, d->name);
        /* chmod() sets the mode, because mknod() obeys the umask. */
        if (mknod(path, S_IFCHR, makedev(d->major, d->minor)) < 0 || chmod(path, 0666) < 0)
            return error_errno(err, LRUN_START_FAILED, operation, errno,
                               "cannot make a node of the run's own for '/dev/%s'", d->name);
    }
    return 0;
}
