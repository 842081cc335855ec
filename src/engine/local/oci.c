/* SPDX-License-Identifier: MIT */
#include "engine/local/oci.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "engine/local/own_files.h"
#include "engine/local/root.h"
#include "host/inherited.h"
#include "host/rootless.h"
#include "policy/seccomp_profile.h"

#include <fcntl.h>
#include <string.h>

/* In ms: how long the runtime may take to read its configuration. */
enum { CONFIG_TIMEOUT = 30000 };

static const char file_config[] = LOCAL_BUNDLE "/config.json";

/* ---------------------------------------------------------------- with any runtime */

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

/*
 * The sandbox's first process has one of the run's ids, in a user namespace that this id owns. A
 * runtime that sets the limits of that process from outside needs CAP_SYS_RESOURCE, which root
 * lacks in containers and on some machines.
 */
static bool starts_limited(const struct local_sandbox *s)
{
    return s->runtime->sets_limits_of_others && !inherited_may_limit_others();
}

int oci_fill_bundle(struct oci_bundle *out, struct local_plan *p, lrun_error *err)
{
    struct local_sandbox *s = p->sandbox;
    if (own_files_copy_agent(LOCAL_AGENT, err) < 0)
        return -1;
    snprintf(s->cgroup_path, sizeof(s->cgroup_path), "/%s/%s", CGROUP_PARENT, s->id);
    *out = (struct oci_bundle){
        .rootfs = LOCAL_ROOT,
        .hostname = s->id,
        .agent = LOCAL_AGENT,
        .agent_target = s->agent_target,
        .no_new_privileges = p->request->no_new_privileges,
        .ids = &s->ids,
        .network_namespace = s->outbound ? LOCAL_NETWORK_NAMESPACE : NULL,
        /* Without root, runc makes a cgroup below ours or none. A path here
         * would make it insist. */
        .cgroup_path = s->runtime->joins_cgroup && !rootless_active() ? s->cgroup_path : NULL,
        .keeps_limits = starts_limited(s),
        .seccomp_path = s->base.filter ? NULL : SECCOMP_PROFILE,
    };
    return 0;
}

/* Returns 0 or an errno. */
static int write_config(const struct local_sandbox *s, int to)
{
    int64_t deadline = clock_ms() + CONFIG_TIMEOUT;
    return to < 0 || io_write_all(to, s->config, strlen(s->config), deadline) < 0 ? errno : 0;
}

static int not_written(int failed, lrun_error *err)
{
    return error_errno(err, LRUN_START_FAILED, "local.start", failed, "cannot write '%s'",
                       file_config);
}

int oci_write_config(const struct local_sandbox *s, mode_t mode, lrun_error *err)
{
    cleanup_close int to = open(file_config, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    int failed = write_config(s, to);
    return failed ? not_written(failed, err) : 0;
}

struct oci_runtime_launch oci_launch(const struct local_sandbox *s)
{
    return (struct oci_runtime_launch){
        .runtime = s->runtime,
        .path = s->runtime_path,
        .root = LOCAL_STATE,
        .bundle = LOCAL_BUNDLE,
        .id = s->id,
        .cgroup = s->cgroup,
        .stdio = {s->stdio[0], s->stdio[1], s->stdio[2]},
        .limit = starts_limited(s),
        .config = -1,
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

/* ---------------------------------------------------------------- crun and runc */

/* Hooks read config.json from its path. They run as the sandbox's root, which
 * has no rights here. */
static bool has_hooks(const struct local_sandbox *s)
{
    return s->gpus.hooks && json_array_size(s->gpus.hooks) > 0;
}

/*
 * Starts the runtime while the mounts are made. It waits for its configuration, which is made last.
 * Later mounts below LOCAL_FOLDER appear in the runtime's namespace, too.
 */
static int start_early(struct local_sandbox *s, lrun_error *err)
{
    int ends[2];
    if (!s->runtime->starts_early || has_hooks(s))
        return 0;
    if (symlink(OCI_RUNTIME_CONFIG, file_config) < 0 || pipe2(ends, O_CLOEXEC) < 0)
        return error_errno(err, LRUN_START_FAILED, "local.start", errno,
                           "cannot make the pipe for '%s'", file_config);
    cleanup_close int theirs = ends[0];
    s->config_pipe = ends[1];
    struct oci_runtime_launch launch = oci_launch(s);
    launch.config = theirs;
    return oci_start(s, &launch, err);
}

static int make_root(struct local_plan *p, lrun_error *err)
{
    struct cdi_edits *gpus = &p->sandbox->gpus;
    if (root_mount(p, err) < 0)
        return -1;
    return json_object_size(gpus->nodes) == 0 ? 0 : cdi_edits_make_nodes(gpus, LOCAL_DEVICES, err);
}

static int configure(struct local_plan *p, lrun_error *err)
{
    struct local_sandbox *s = p->sandbox;
    struct oci_bundle bundle;
    if (oci_fill_bundle(&bundle, p, err) < 0 ||
        (s->outbound && backend_write_resolv_conf(s, err) < 0))
        return -1;
    const char *names[CGROUP_SHOWN_MAX + 1];
    bool shown = cgroup_show(s->cgroup, LOCAL_LIMITS, names);
    bundle.user_namespace = LOCAL_USER_NAMESPACE;
    bundle.limits = shown ? LOCAL_LIMITS : NULL;
    bundle.limit_names = s->runtime->binds_deep ? NULL : names;
    bundle.resolv_conf = s->outbound ? LOCAL_RESOLV_CONF : NULL;
    bundle.edits = p->request->gpus ? &s->gpus : NULL;
    id_map_text(&s->ids, s->id_text);
    s->base.id_map = s->id_text;
    s->config = oci_bundle_config(&bundle, err);
    return s->config ? 0 : -1;
}

static int give_config(struct local_sandbox *s, lrun_error *err)
{
    cleanup_close int to = steal_fd(&s->config_pipe);
    int failed = fcntl(to, F_SETFL, O_NONBLOCK) < 0 ? errno : write_config(s, to);
    /* EPIPE: the runtime has ended. The supervisor takes the error from the runtime's stderr. */
    return failed && failed != EPIPE ? not_written(failed, err) : 0;
}

static int start(struct local_sandbox *s, lrun_error *err)
{
    if (s->config_pipe >= 0)
        return give_config(s, err);
    const struct oci_runtime_launch launch = oci_launch(s);
    return oci_write_config(s, has_hooks(s) ? 0644 : 0600, err) < 0 ? -1
                                                                    : oci_start(s, &launch, err);
}

const struct local_backend local_oci = {
    .sees_devices = true,
    .keeps_root = true,
    .maps_high_ids = true,
    .always_namespaces = true,
    .open_channel = oci_open_channel,
    .start_early = start_early,
    .make_root = make_root,
    .configure = configure,
    .start = start,
    .open_root = root_mount_for_commit,
};
