/* SPDX-License-Identifier: MIT */
#include "engine/docker/hint.h"

#include "base/cleanup.h"
#include "tier/tier.h"
#include "wire/request.h"

#include <string.h>
#include <unistd.h>

/* Returns a hint if the local engine seems to have the tier, as that is the cheapest
 * solution; else "". */
static const char *local_too(const char *name)
{
    const struct tier *tier;
    cleanup_free char *path = NULL;
    lrun_error ignored;
    return geteuid() == 0 && tier_find(&tier, name, &ignored) == 0 &&
                   tier_find_runtime(tier, &path, &ignored) == 0
               ? "use --engine local, which has the tier; or "
               : "";
}

int hint_register(const char *tier, lrun_error *err)
{
    const char *local = local_too(tier);
    if (strcmp(tier, REQUEST_KATA_SHIM) == 0)
        return error_hint(
            err, "install Kata Containers, with containerd-shim-kata-v2 on the PATH of the "
                 "daemon (23.0 or later)");
    return strcmp(tier, "runsc") == 0
               ? error_hint(err, "%slight-runner setup gvisor", local)
               : error_hint(err,
                            "%sregister '%s' in /etc/docker/daemon.json under \"runtimes\", and "
                            "reload the daemon",
                            local, tier);
}

void hint_start(const char *tier, const char *said, lrun_error *err)
{
    if (strstr(said, "device driver"))
        error_hint(
            err, "for NVIDIA's: install nvidia-container-toolkit, and nvidia-ctk runtime configure "
                 "--runtime=docker; or use --engine local, with CDI specs");
    else if (strcmp(tier, "runsc") == 0)
        error_hint(err,
                   "%sset up again what the daemon knows as 'runsc': light-runner setup gvisor",
                   local_too(tier));
    else if (strcmp(tier, "runc") != 0)
        error_hint(err,
                   "%scorrect what /etc/docker/daemon.json names as '%s', and reload the daemon",
                   local_too(tier), tier);
}
