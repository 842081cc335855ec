/* SPDX-License-Identifier: MIT */
#include "tier/tier.h"

#include "base/cleanup.h"
#include "host/process.h"
#include "host/spawn.h"
#include "tier/vm/qemu.h"
#include "wire/request.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { VERSION_TIMEOUT_MS = 10000 };

/*
 * The sentry is confined (as nobody, in its own user namespace, without capabilities) only if it
 * does not open the host's files itself (--directfs=false). A gofer opens the few files that are
 * needed. KVM is not tried, because on a nested machine it hangs instead of failing. gVisor's
 * checks of the host's settings are advice for the person who installs it.
 */
static const struct tier_runtime runsc_runtime = {
    .name = "runsc",
    .variable = "LIGHT_RUNNER_RUNSC",
    .flags = {"--ignore-cgroups", "--platform=systrap", "--directfs=false",
              "--host-settings=ignore", "--in-sandbox-cgroup=v2"},
    .pids = 1024,
    .memory_min = (uint64_t)32 << 20,
    /* The first version with cgroup v2 in the sandbox. Some earlier versions cannot start
     * from an EROFS image either. */
    .since = 20260901,
    .hint = "light-runner setup gvisor --no-docker",
};

/* One VM per run, without Kata's own runtime: the wall that the contract promises is the VM. */
static const struct tier_runtime kata_runtime = {
    .name = QEMU_PROGRAM,
    .variable = "LIGHT_RUNNER_QEMU",
    .pids = QEMU_PIDS,
    .hint = "apt-get install --no-install-recommends qemu-system-x86 linux-image-cloud-amd64",
};

/* The shared kernel must be the host's own. */
static bool is_host_kernel(const struct tier_evidence *seen, const struct tier_evidence *host)
{
    bool known = host->kernel[0] != '\0';
    return strcmp(seen->release, host->release) == 0 &&
           (!known || strcmp(seen->kernel, host->kernel) == 0);
}

/* A guest's kernel is any kernel except the host's. It may come from the same package, but then
 * it booted at another time. */
static bool is_other_kernel(const struct tier_evidence *seen, const struct tier_evidence *host)
{
    if (*seen->boot && *host->boot)
        return strcmp(seen->boot, host->boot) != 0;
    return !is_host_kernel(seen, host);
}

/* gVisor's kernel has its own name, and its log begins like that of no other kernel. */
static bool is_gvisor_kernel(const struct tier_evidence *seen, const struct tier_evidence *host)
{
    return strstr(seen->kernel_log, "Starting gVisor...") && !is_host_kernel(seen, host);
}

static const struct tier tiers[] = {
    {.name = "runc", .verify = is_host_kernel},
    {.name = "runsc",
     .runtime = &runsc_runtime,
     .own_kernel = true,
     .is_gvisor = true,
     .verify = is_gvisor_kernel},
    {.name = "kata",
     .runtime = &kata_runtime,
     .own_kernel = true,
     .is_guest = true,
     .verify = is_other_kernel},
    {.name = REQUEST_KATA_SHIM, .docker_only = true, .own_kernel = true, .verify = is_other_kernel},
};

void tier_host_boot(char out[TIER_BOOT_SIZE])
{
    struct statfs fs;
    out[0] = '\0';
    cleanup_close int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
        return;
    ssize_t n = read(fd, out, TIER_BOOT_SIZE - 1);
    out[n > 0 ? n : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
}

int tier_row(const struct tier **out, const char *name, lrun_error *err)
{
    for (size_t i = 0; i < sizeof(tiers) / sizeof(tiers[0]); i++) {
        if (strcmp(tiers[i].name, name) == 0) {
            *out = &tiers[i];
            return 0;
        }
    }
    return error_set(err, LRUN_INVALID_ARGUMENT, "tier.find",
                     "unknown tier '%s' (expected runc, runsc or kata)", name);
}

int tier_find(const struct tier **out, const char *name, lrun_error *err)
{
    if (tier_row(out, name, err) < 0)
        return -1;
    if (!(*out)->docker_only)
        return 0;
    error_set(err, LRUN_NOT_SUPPORTED, "tier.find", "the tier '%s' is not on the local engine",
              name);
    return error_hint(err, "use --runtime kata, or --engine docker");
}

int tier_check_memory(const struct tier *tier, uint64_t bytes, lrun_error *err)
{
    uint64_t min = tier->runtime ? tier->runtime->memory_min : 0;
    if (bytes >= min)
        return 0;
    /* With less memory, the sandbox ends before it can say why. */
    error_set(err, LRUN_INVALID_ARGUMENT, "tier.memory",
              "memory: the tier '%s' needs %u MiB at least, for its own kernel", tier->name,
              (unsigned)(min >> 20));
    return error_hint(err, "raise it: --memory 512m");
}

int tier_find_runtime(const struct tier *tier, char **path, lrun_error *err)
{
    static const char operation[] = "tier.find_runtime";
    const struct tier_runtime *r = tier->runtime;
    *path = NULL;
    if (!r)
        return 0;
    const char *chosen = secure_getenv(r->variable);
    bool is_chosen = chosen && *chosen;
    *path = process_find_program(is_chosen ? chosen : r->name);
    if (*path)
        return 0;
    /* If the user has named a program, no other one replaces it. */
    if (is_chosen) {
        error_set(err, LRUN_START_FAILED, operation, "%s names '%s', which is not a program",
                  r->variable, chosen);
        return error_hint(err, "unset %s, or set it to the path of %s", r->variable, r->name);
    }
    error_set(err, LRUN_START_FAILED, operation, "%s, which the tier '%s' needs, is not installed",
              r->name, tier->name);
    return error_hint(err, "%s", r->hint);
}

/* Returns the first eight digits in a row, e.g. from "release-20260901.0" or Debian's
 * "0.0~20221219.0"; 0 if there are none. */
unsigned tier_date_in(const char *text)
{
    for (const char *at = text; *at; at++) {
        size_t digits = strspn(at, "0123456789");
        if (digits == 8)
            return (unsigned)strtoul(at, NULL, 10);
        if (digits)
            at += digits - 1;
    }
    return 0;
}

int tier_check_runtime(const struct tier_runtime *runtime, const char *path, char *version,
                       size_t size, lrun_error *err)
{
    const char *argv[TIER_FLAGS_MAX + 3] = {path};
    size_t n = 1;
    for (size_t i = 0; i < TIER_FLAGS_MAX && runtime->flags[i]; i++)
        argv[n++] = runtime->flags[i];
    argv[n] = "--version";
    if (spawn_program(argv, VERSION_TIMEOUT_MS, version, size, LRUN_START_FAILED, err) < 0)
        return error_hint(err, "%s", runtime->hint);
    version[strcspn(version, "\n")] = '\0';
    unsigned date = tier_date_in(version);
    if (date && date < runtime->since) {
        error_set(err, LRUN_START_FAILED, "tier.check_runtime",
                  "%s is too old (%s): one of %u or later is needed", path, version,
                  runtime->since);
        return error_hint(err, "%s", runtime->hint);
    }
    return 0;
}
