/* SPDX-License-Identifier: MIT */
#include "host/walled.h"

#include <linux/capability.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

bool walled_in_container(void)
{
    static const char *const marks[] = {"/.dockerenv", "/run/.containerenv",
                                        "/run/systemd/container"};
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
        if (access(marks[i], F_OK) == 0)
            return true;
    return false;
}

bool walled_has_capability(int capability)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    return syscall(SYS_capget, &header, data) == 0 &&
           (data[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability));
}

const char *walled_hint(void)
{
    return walled_in_container()
               ? "run light-runner on the host, or start this container with --privileged; or give "
                 "it the "
                 "host's Docker socket (-v /var/run/docker.sock:/var/run/docker.sock) and use "
                 "--engine docker"
               : "run it as a root that has all capabilities, outside of any container or sandbox";
}
