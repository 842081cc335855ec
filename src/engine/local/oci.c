/* SPDX-License-Identifier: MIT */
#include "engine/local/oci.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "engine/local/own_files.h"

#include <fcntl.h>
#include <string.h>

static const char file_config[] = LOCAL_BUNDLE "/config.json";

int oci_open_channel(struct local_sandbox *s, lrun_error *err)
{
    int pipes[3][2];
    for (int i = 0; i < 3; i++) {
        if (pipe2(pipes[i], O_CLOEXEC) < 0)
            return error_errno(err, LRUN_START_FAILED, "local.start", errno, "cannot make a pipe");
        s->stdio[i] = pipes[i][i != 0];
        int *ours[] = {&s->base.to_agent, &s->base.from_agent, &s->base.runtime_text};
        *ours[i] = pipes[i][i == 0];
    }
    /* For fewer, larger reads of bulk data. Optional, so failure does not matter. */
    fcntl(s->base.to_agent, F_SETPIPE_SZ, 1 << 20);
    fcntl(s->base.from_agent, F_SETPIPE_SZ, 1 << 20);
    return 0;
}

int oci_fill_bundle(struct oci_bundle *out, struct local_plan *p, lrun_error *err)
{
    struct local_sandbox *s = p->sandbox;
    if (own_files_copy_agent(LOCAL_AGENT, err) < 0)
        return -1;
    *out = (struct oci_bundle){
        .rootfs = LOCAL_ROOT,
        .hostname = s->id,
        .agent = LOCAL_AGENT,
        .agent_target = s->agent_target,
        .no_new_privileges = p->spec->no_new_privileges,
        .ids = &s->ids,
        .network_namespace = s->outbound ? LOCAL_NETWORK_NAMESPACE : NULL,
    };
    return 0;
}

int oci_write_config(const struct local_sandbox *s, lrun_error *err)
{
    cleanup_close int to = open(file_config, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (to < 0 || io_write_all(to, s->config, strlen(s->config), IO_NO_DEADLINE) < 0)
        return error_errno(err, LRUN_START_FAILED, "local.start", errno, "cannot write '%s'",
                           file_config);
    return 0;
}

struct oci_runtime_launch oci_launch(const struct local_sandbox *s)
{
    return (struct oci_runtime_launch){
        .runtime = s->base.tier->runtime,
        .path = s->runtime_path,
        .root = LOCAL_STATE,
        .bundle = LOCAL_BUNDLE,
        .id = s->id,
        .cgroup = s->cgroup,
        .stdio = {s->stdio[0], s->stdio[1], s->stdio[2]},
        .image = s->image_fd,
    };
}

int oci_start(struct local_sandbox *s, const struct oci_runtime_launch *launch, lrun_error *err)
{
    if (oci_runtime_start(&s->process, launch, err) < 0)
        return -1;
    s->base.alive = s->process.pidfd;
    return 0;
}
