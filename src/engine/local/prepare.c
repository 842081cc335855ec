/* SPDX-License-Identifier: MIT */
#include "engine/local/prepare.h"

#include "base/cleanup.h"
#include "engine/local/namespaces.h"
#include "engine/local/own_files.h"
#include "host/delegation.h"
#include "host/egress.h"
#include "host/filter.h"
#include "host/mount.h"
#include "host/rootless.h"
#include "tier/oci/oci_bundle.h"

#include <string.h>
#include <sys/stat.h>

static const char operation[] = "local.prepare";

/* The bits of a request have the same meaning as those of host/. */
_Static_assert((int)REQUEST_UNENFORCED_MEMORY == (int)CGROUP_MEMORY &&
                   (int)REQUEST_UNENFORCED_CPUS == (int)CGROUP_CPUS &&
                   (int)REQUEST_UNENFORCED_PIDS == (int)CGROUP_PIDS,
               "the limits' bits");
_Static_assert((int)REQUEST_EGRESS_HOST == (int)EGRESS_HOST &&
                   (int)REQUEST_EGRESS_METADATA == (int)EGRESS_METADATA,
               "the bits of addresses");

/* Rejects the parts of a request that this engine does not support. They are never ignored. */
static int refuse_unsupported(struct local_plan *p, lrun_error *err)
{
    const struct sandbox_spec *spec = p->spec;
    if (spec->gpus && geteuid() != 0) {
        error_set(err, LRUN_NOT_SUPPORTED, operation, "options.gpus: device nodes take root");
        return error_hint(err, "leave out --gpus, or run as root");
    }
    if (spec->disk_bytes < LOCAL_DISK_MIN)
        return error_set(err, LRUN_INVALID_ARGUMENT, operation, "disk: at least 1m is needed");
    return 0;
}

static int choose_backend(struct local_plan *p, lrun_error *err)
{
    struct local_sandbox *s = p->sandbox;
    const struct sandbox_spec *spec = p->spec;
    if (agent_name_make(s->agent_target, err) < 0 ||
        tier_find(&s->base.tier, spec->tier, err) < 0 ||
        tier_check_memory(s->base.tier, spec->memory_bytes, err) < 0 ||
        backend_check_user(s->base.tier, err) < 0)
        return -1;
    s->backend = backend_of_tier(s->base.tier);
    return tier_find_runtime(s->base.tier, &s->runtime_path, err);
}

/* Rejects the parts of a request that the tier does not support. */
static int check_abilities(struct local_plan *p, lrun_error *err)
{
    const struct local_sandbox *s = p->sandbox;
    const struct sandbox_spec *spec = p->spec;
    if (spec->kvm_only && !s->backend->has_vm) {
        error_set(err, LRUN_NOT_SUPPORTED, operation,
                  "options.accelerator: the tier '%s' has no VM", s->base.tier->name);
        return error_hint(err, "leave out --accelerator, or use --runtime kata");
    }
    if (s->base.keep && !s->backend->keeps_root) {
        error_set(err, LRUN_NOT_SUPPORTED, operation, "setup: steps cannot be run in the tier '%s'",
                  s->base.tier->name);
        return error_hint(err, "use an image that has what is needed: light-runner image pull");
    }
    if (spec->gpus && !s->backend->sees_devices) {
        error_set(err, LRUN_NOT_SUPPORTED, operation,
                  "gpus: the host's devices are not in reach of the tier '%s'", s->base.tier->name);
        return error_hint(err, "use --runtime runc, or leave out --gpus");
    }
    return 0;
}

/* Called before anything is made, so that a wrong choice of GPUs is reported early. */
static int find_gpus(struct local_plan *p, lrun_error *err)
{
    struct local_sandbox *s = p->sandbox;
    if (!p->spec->gpus)
        return 0;
    int failed = cdi_edits_for(&s->gpus, p->spec->gpus, err);
    s->base.env = s->gpus.env;
    return failed;
}

static int find_image(struct local_plan *p, lrun_error *err)
{
    return store_open(&p->store, false, err) < 0 ||
                   store_resolve(p->store, p->spec->image, &p->sandbox->base.image, &p->image,
                                 err) < 0 ||
                   store_scratch_folder(p->store, &p->scratch_folder, err) < 0
               ? -1
               : 0;
}

/* If the host's name server is on its loopback, the sandbox reaches it through pasta. */
static void find_names(struct local_sandbox *s, const struct sandbox_spec *spec)
{
    resolver_find(&s->names, spec->dns);
    if (s->names.host[0])
        strcpy(s->names.servers[s->names.count++], NETWORK_RESOLVER);
}

static int set_limits(struct local_plan *p, lrun_error *err)
{
    struct local_sandbox *s = p->sandbox;
    const struct sandbox_spec *spec = p->spec;
    const struct tier_runtime *runtime = s->base.tier->runtime;
    (void)err;
    /* Round up to whole MiB: one template is kept per size, so there should be few sizes. */
    s->disk_bytes = (spec->disk_bytes + LOCAL_DISK_MIN - 1) / LOCAL_DISK_MIN * LOCAL_DISK_MIN;
    s->cpus = spec->cpus;
    p->limits = (struct cgroup_limits){
        .memory_bytes = spec->memory_bytes,
        .cpus = spec->cpus,
        .pids = spec->pids + OCI_BUNDLE_OWN_PIDS + (runtime ? runtime->pids : LOCAL_KEEPER_PIDS),
    };
    if (s->outbound) {
        /* pasta's share is added, so that the run keeps all of its own. */
        p->limits.memory_bytes += NETWORK_MEMORY;
        p->limits.pids += NETWORK_PIDS;
        find_names(s, spec);
    }
    return 0;
}

/* Without no_new_privs only a privileged process may install a filter. Then the launcher or the OCI
 * runtime installs it, unless the agent is privileged because the sandbox has its own kernel. */
static int load_filter(struct local_plan *p, lrun_error *err)
{
    struct local_sandbox *s = p->sandbox;
    return p->spec->no_new_privileges || s->backend->agent_filters
               ? filter_get(p->scratch_folder, FILTER_ALONE, &s->base.filter,
                            &s->base.filter_length, err)
               : 0;
}

static int adapt(struct local_plan *p, lrun_error *err)
{
    const struct local_backend *b = p->sandbox->backend;
    return b->adapt ? b->adapt(p, err) : 0;
}

/* Rejects limits that cannot be enforced, unless the request allows that.
 * Nothing is made before. */
static int find_cgroups(struct local_plan *p, lrun_error *err)
{
    struct local_sandbox *s = p->sandbox;
    if (delegation_open(&s->cgroup_root, &p->limits.leave_out, p->spec->allow_unenforced, err) < 0)
        return -1;
    s->base.unenforced = p->limits.leave_out & CGROUP_LIMITS;
    return 0;
}

static int enter_namespace(struct local_plan *p, lrun_error *err)
{
    (void)p;
    return rootless_enter(err);
}

static int begin_root(struct local_plan *p, lrun_error *err)
{
    const struct local_backend *b = p->sandbox->backend;
    return b->begin_root ? b->begin_root(p, err) : 0;
}

static int open_channel(struct local_plan *p, lrun_error *err)
{
    return p->sandbox->backend->open_channel(p->sandbox, err);
}

static int make_folders(struct local_plan *p, lrun_error *err)
{
    static const char *const folders[] = {LOCAL_BUNDLE, LOCAL_STATE,   LOCAL_IMAGE, LOCAL_SCRATCH,
                                          LOCAL_ROOT,   LOCAL_DEVICES, LOCAL_LIMITS};
    (void)p;
    /* No process on the host sees this tmpfs, but the sandbox's root must be able to pass
     * through it. Huge pages cut the time to write the agent to a third. A kernel without them
     * rejects the option. */
    if (mount_private_namespace(err) < 0 ||
        (mount_tmpfs(LOCAL_FOLDER, "mode=0711,size=64m,huge=within_size", NULL) < 0 &&
         mount_tmpfs(LOCAL_FOLDER, "mode=0711,size=64m", err) < 0))
        return -1;
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        if (mkdir(folders[i], 0755) < 0)
            return error_errno(err, LRUN_START_FAILED, operation, errno, "cannot make '%s'",
                               folders[i]);
    /* A user namespace cannot have device nodes of its own, only the host's. */
    if (rootless_active())
        return 0;
    return mount_devices(LOCAL_DEVICES, err) < 0 ? -1 : own_files_make_devices(LOCAL_DEVICES, err);
}

static int make_cgroup(struct local_plan *p, lrun_error *err)
{
    struct local_sandbox *s = p->sandbox;
    return cgroup_create(&s->cgroup, s->cgroup_root, s->id, &p->limits, err);
}

static int make_root(struct local_plan *p, lrun_error *err)
{
    return p->sandbox->backend->make_root(p, err);
}

static int configure(struct local_plan *p, lrun_error *err)
{
    return p->sandbox->backend->configure(p, err);
}

/* The steps, in order. The first failure ends them. */
static int (*const steps[])(struct local_plan *p, lrun_error *err) = {
    /* These make nothing. */
    refuse_unsupported,
    choose_backend,
    check_abilities,
    find_gpus,
    find_image,
    set_limits,
    load_filter, /* as the user: a filter may be compiled and kept among the user's files */
    adapt,
    find_cgroups,
    /* Slow parts are started first and come up while the rest is made. */
    enter_namespace,
    namespaces_limit_processes,
    begin_root,
    namespaces_begin,
    open_channel,
    make_folders,
    make_cgroup,
    namespaces_finish,
    make_root,
    configure,
};

int prepare_sandbox(struct local_plan *p, lrun_error *err)
{
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        if (steps[i](p, err) < 0)
            return -1;
    return 0;
}
