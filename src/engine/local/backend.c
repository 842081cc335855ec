/* SPDX-License-Identifier: MIT */
#include "engine/local/backend.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <unistd.h>

static const char operation[] = "local.prepare";

const struct local_backend *backend_of_tier(const struct tier *tier)
{
    return tier->is_guest ? &local_vm : tier->is_gvisor ? &local_gvisor : &local_container;
}

int backend_check_user(const struct tier *tier, lrun_error *err)
{
    if (!backend_of_tier(tier)->needs_root || geteuid() == 0)
        return 0;
    error_set(err, LRUN_NOT_SUPPORTED, operation, "the tier '%s' takes root on the local engine",
              tier->name);
    return error_hint(err,
                      "run it as root (sudo), or where Docker has the tier with --engine docker");
}

int backend_write_resolv_conf(const struct local_sandbox *s, lrun_error *err)
{
    char text[RESOLVER_TEXT_MAX];
    size_t length = resolver_text(text, &s->names);
    cleanup_close int fd = open(LOCAL_RESOLV_CONF, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0 || io_write_all(fd, text, length, IO_NO_DEADLINE) < 0)
        return error_errno(err, LRUN_START_FAILED, operation, errno, "cannot write '%s'",
                           LOCAL_RESOLV_CONF);
    return 0;
}

int backend_keep_image(struct local_plan *p, int from, lrun_error *err)
{
    p->sandbox->image_fd = fcntl(p->image, F_DUPFD_CLOEXEC, from);
    return p->sandbox->image_fd < 0 ? error_errno(err, LRUN_START_FAILED, operation, errno,
                                                  "cannot keep the image's file open")
                                    : 0;
}
