/* SPDX-License-Identifier: MIT */
#include "policy/confinement.h"

#include <linux/capability.h>
#include <stddef.h>

#define CAPABILITY(name)                                                                           \
    {                                                                                              \
        name, #name                                                                                \
    }

const struct confinement_capability confinement_capabilities[] = {
    CAPABILITY(CAP_CHOWN),
    CAPABILITY(CAP_DAC_OVERRIDE),
    CAPABILITY(CAP_FSETID),
    CAPABILITY(CAP_FOWNER),
    CAPABILITY(CAP_SETGID),
    CAPABILITY(CAP_SETUID),
    CAPABILITY(CAP_NET_BIND_SERVICE),
    CAPABILITY(CAP_KILL),
    {0},
};

const struct confinement_capability confinement_agent_capabilities[] = {
    CAPABILITY(CAP_SYS_ADMIN),
    CAPABILITY(CAP_SETPCAP),
    {0},
};

const char *const confinement_masked[] = {
    "/proc/acpi",          "/proc/asound",
    "/proc/kcore",         "/proc/keys",
    "/proc/latency_stats", "/proc/timer_list",
    "/proc/timer_stats",   "/proc/sched_debug",
    "/proc/scsi",          "/proc/interrupts",
    "/proc/kallsyms",      "/proc/kpagecount",
    "/proc/kpageflags",    "/proc/kpagecgroup",
    "/sys/firmware",       "/sys/devices/virtual/powercap",
    "/sys/kernel/debug",   "/sys/kernel/tracing",
    CONFINEMENT_CGROUP,    NULL,
};

const char *const confinement_read_only[] = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL,
};
