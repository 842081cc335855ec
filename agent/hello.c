/* SPDX-License-Identifier: MIT */
#include "hello.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/utsname.h>

/* See syslog(2); glibc has no names for them. */
enum { SYSLOG_ACTION_READ_ALL = 3, SYSLOG_ACTION_SIZE_BUFFER = 10 };

enum { LOG_SENT = 256, LOG_DEFAULT = 64 * 1024, LOG_MAX = 1024 * 1024, BOOT_ID_MAX = 64 };

/*
 * Reads the beginning of the kernel's log. Returns false if the agent may not read the log. A short
 * buffer would not do: Linux fills it with the end of the log, gVisor with the beginning.
 */
static bool read_log(char out[LOG_SENT + 1])
{
    int size = klogctl(SYSLOG_ACTION_SIZE_BUFFER, NULL, 0);
    if (size <= 0)
        size = LOG_DEFAULT;
    if (size > LOG_MAX)
        size = LOG_MAX;
    cleanup_free char *log = malloc((size_t)size);
    int n = log ? klogctl(SYSLOG_ACTION_READ_ALL, log, size) : -1;
    if (n <= 0)
        return false;
    size_t length = n < LOG_SENT ? (size_t)n : LOG_SENT;
    memcpy(out, log, length);
    out[length] = '\0';
    return true;
}

int hello_send(struct channel *c, bool with_log)
{
    struct utsname u;
    if (uname(&u) < 0)
        return -1;
    cleanup_buffer struct buffer fields;
    buffer_init(&fields, FRAME_AGENT_MAX);
    if (!fields_add_u64(&fields, "version", FRAME_VERSION) ||
        !fields_add(&fields, "sysname", u.sysname) || !fields_add(&fields, "release", u.release) ||
        !fields_add(&fields, "kernel", u.version) || !fields_add(&fields, "machine", u.machine))
        return -1;
    /* Distinguishes this kernel from another one of the same version. */
    cleanup_free char *boot =
        io_read_file_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", BOOT_ID_MAX, NULL);
    if (boot)
        boot[strcspn(boot, "\n")] = '\0';
    if (boot && !fields_add(&fields, "boot", boot))
        return -1;
    char log[LOG_SENT + 1];
    if (with_log && read_log(log) && !fields_add(&fields, "log", log))
        return -1;
    return channel_send_fields(c, FRAME_HELLO, FRAME_SANDBOX, &fields);
}
