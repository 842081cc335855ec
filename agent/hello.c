/* SPDX-License-Identifier: MIT */
/* The evidence: which kernel this is, seen before any code of the user ran. */
#include "agent.h"

#include <string.h>
#include <sys/klog.h>
#include <sys/utsname.h>

enum { KLOG_READ_ALL = 3, KLOG_BYTES = 256 };

void hello_send(struct channel *c)
{
    struct utsname u = {0};
    struct buffer fields;
    buffer_init(&fields, 4096);
    uname(&u);
    fields_add_u64(&fields, "version", 1);
    fields_add(&fields, "sysname", u.sysname);
    fields_add(&fields, "release", u.release);
    fields_add(&fields, "kernel", u.version);
    fields_add(&fields, "machine", u.machine);
    char log[KLOG_BYTES + 1];
    /* Not permitted on a shared kernel; gVisor and a virtual machine have one of their own. */
    int n = klogctl(KLOG_READ_ALL, log, KLOG_BYTES);
    if (n > 0) {
        log[n] = '\0';
        fields_add(&fields, "log", log);
    }
    channel_send(c, FRAME_HELLO, &fields);
    buffer_free(&fields);
}
