/* SPDX-License-Identifier: MIT */
#include "walls.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

static const char operation[] = "inspect";

enum { STATUS_MAX = 64 * 1024, MAP_MAX = 8192 };

/* Opens the kernel's own /proc, and rejects a folder of the image in its place. */
static int open_proc(void)
{
    struct statfs fs;
    int proc = open("/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (proc >= 0 && fstatfs(proc, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC)
        return proc;
    cleanup_close_fd(&proc);
    errno = ENOENT;
    return -1;
}

/* Turns lines "KEY:\tVALUE" into fields. Leaves out keys that this kernel does not have. */
static bool add_status(struct buffer *fields, char *status)
{
    static const char *const keys[] = {"NoNewPrivs", "Seccomp", "Seccomp_filters", "CapInh",
                                       "CapPrm",     "CapEff",  "CapBnd",          "CapAmb"};
    char *rest, *line = strtok_r(status, "\n", &rest);
    for (; line; line = strtok_r(NULL, "\n", &rest)) {
        char *colon = strchr(line, ':');
        if (!colon)
            continue;
        *colon = '\0';
        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
            if (strcmp(line, keys[i]) == 0 &&
                !fields_add(fields, line, colon + 1 + strspn(colon + 1, " \t")))
                return false;
    }
    return true;
}

int walls_send(struct channel *c, struct failure *failure)
{
    size_t length;
    cleanup_close int proc = open_proc();
    cleanup_free char *status = NULL, *uids = NULL, *gids = NULL;
    if (proc < 0 || !(status = io_read_file_at(proc, "self/status", STATUS_MAX, &length)) ||
        !(uids = io_read_file_at(proc, "self/uid_map", MAP_MAX, &length)) ||
        !(gids = io_read_file_at(proc, "self/gid_map", MAP_MAX, &length)))
        return failure_errno(failure, operation, errno, "cannot read what /proc says of the agent");
    cleanup_buffer struct buffer fields;
    buffer_init(&fields, FRAME_AGENT_MAX);
    if (!fields_add_u64(&fields, "pid", (uint64_t)getpid()) || !add_status(&fields, status) ||
        !fields_add(&fields, "uid_map", uids) || !fields_add(&fields, "gid_map", gids) ||
        channel_send_fields(c, FRAME_WALLS, FRAME_SANDBOX, &fields) < 0)
        return failure_errno(failure, operation, ENOMEM, "cannot report the walls");
    return 0;
}
