/* SPDX-License-Identifier: MIT */
/*
 * The local engine, which needs no daemon. The root is an EROFS image under an overlay whose upper
 * layer is on a file system of the run's own. The init of a PID namespace keeps the sandbox: a fork
 * that builds the container (box/box_launch.h), an OCI runtime or QEMU. One cgroup contains
 * everything.
 *
 * What the engine creates, and who removes it if the supervisor is killed:
 *
 *     mounts, bundle, runtime state   in a tmpfs of the supervisor's mount namespace   the kernel
 *     scratch file system             a file without a name, an autoclear loop device  the kernel
 *     processes                       in the PID namespace of that init                the kernel
 *     pasta                           in a PID namespace of its own                    the kernel
 *     cgroup light-runner/<id>        -                                                reap
 */
#include "base/cleanup.h"
#include "base/io.h"
#include "engine/engine.h"
#include "engine/local/backend.h"
#include "engine/local/images.h"
#include "engine/local/prepare.h"
#include "host/delegation.h"
#include "host/mount.h"
#include "image/assemble.h"

#include <sys/utsname.h>

static const char operation[] = "local.prepare";

static const struct sandbox_ops local_sandbox;

static unsigned local_destroy(struct sandbox *base);

static void init(struct local_sandbox *s, const struct sandbox_spec *spec)
{
    struct utsname host;
    sandbox_init(&s->base, &local_sandbox, spec->keep_root);
    uname(&host);
    snprintf(s->base.host_release, sizeof(s->base.host_release), "%s", host.release);
    snprintf(s->base.host_version, sizeof(s->base.host_version), "%s", host.version);
    tier_host_boot(s->base.host_boot);
    s->process.pidfd = s->image_fd = -1;
    s->unpacked = -1;
    s->scratch = s->id_lock = s->high_lock = s->user_namespace = s->network_namespace = -1;
    s->stdio[0] = s->stdio[1] = s->stdio[2] = -1;
    s->network = NETWORK_NONE;
    s->birth = USERNS_BIRTH_NONE;
    s->scratch_birth = SCRATCH_BIRTH_NONE;
    s->outbound = sandbox_spec_has_network(spec);
    s->allow_suid = !spec->no_new_privileges;
    snprintf(s->id, sizeof(s->id), "%s", spec->id);
}

static void plan_free(struct local_plan *p)
{
    store_close(p->store);
    cleanup_close_fd(&p->image);
    free(p->scratch_folder);
}

static int local_prepare(struct engine *e, struct sandbox **out, const struct sandbox_spec *spec,
                         lrun_error *err)
{
    struct local_sandbox *s = calloc(1, sizeof(*s));
    if (!s)
        return error_oom(err, operation);
    init(s, spec);
    struct local_plan plan = {.sandbox = s, .spec = spec, .image = -1, .tick = &e->tick};
    int failed = prepare_sandbox(&plan, err);
    plan_free(&plan);
    if (failed) {
        local_destroy(&s->base);
        return err->code == LRUN_STORAGE_FAILED && !err->hint[0]
                   ? error_hint(err, "set LIGHT_RUNNER_DATA_DIR to a folder that can be written "
                                     "and has room")
                   : -1;
    }
    *out = &s->base;
    return 0;
}

static int local_start(struct sandbox *base, lrun_error *err)
{
    struct local_sandbox *s = local_of(base);
    int failed = s->backend->start(s, err);
    for (int i = 0; i < 3; i++)
        cleanup_close_fd(&s->stdio[i]);
    return failed;
}

static void local_ready(struct sandbox *base)
{
    struct local_sandbox *s = local_of(base);
    if (s->backend->ready && s->backend->ready(s) < 0)
        base->ops->kill(base);
}

static void local_running(struct sandbox *base)
{
    struct local_sandbox *s = local_of(base);
    if (s->backend->running && s->backend->running(s) < 0)
        base->ops->kill(base);
}

static int local_cpu_used(const struct sandbox *base, uint64_t *us)
{
    const struct local_sandbox *s = (const struct local_sandbox *)base;
    return cgroup_read_cpu(s->cgroup, us);
}

/* A VM has a kernel of its own, which kills and counts inside. */
static int local_oom_kills(const struct sandbox *base, uint64_t *count)
{
    const struct local_sandbox *s = (const struct local_sandbox *)base;
    struct cgroup_usage now;
    if (s->backend->correct_usage)
        return -1;
    cgroup_read_usage(s->cgroup, &now);
    *count = now.oom_kills;
    return 0;
}

static int freeze(struct local_sandbox *s, bool on, lrun_error *err)
{
    if (cgroup_freeze(s->cgroup, on) < 0) {
        int failed = errno;
        /* A half-frozen sandbox can neither continue nor die. */
        if (on)
            (void)cgroup_freeze(s->cgroup, false);
        error_errno(err, failed == EOPNOTSUPP ? LRUN_NOT_SUPPORTED : LRUN_IO_FAILED, "local.pause",
                    failed, on ? "cannot freeze the sandbox" : "cannot thaw the sandbox");
        return failed == EOPNOTSUPP ? error_hint(err, "it takes a cgroup: light-runner doctor")
                                    : -1;
    }
    s->frozen = on;
    return 0;
}

static int local_pause(struct sandbox *base, bool on, lrun_error *err)
{
    struct local_sandbox *s = local_of(base);
    return s->backend->pause ? s->backend->pause(s, on, err) : freeze(s, on, err);
}

static void local_kill(struct sandbox *base)
{
    struct local_sandbox *s = local_of(base);
    if (!s->backend->ask_to_end || !s->backend->ask_to_end(s))
        process_kill(&s->process);
    /* The killed processes run no further, but on cgroup v1 they cannot die
     * while they are frozen. */
    if (s->frozen)
        (void)cgroup_freeze(s->cgroup, false);
    s->frozen = false;
}

static int local_finish(struct sandbox *base, struct cgroup_usage *usage, lrun_error *err)
{
    struct local_sandbox *s = local_of(base);
    struct process_status status;
    /* pasta must be gone before the cgroup can be removed. Its end takes some ms, so it ends in
     * parallel with the sandbox. */
    network_stop(&s->network);
    if (s->backend->await_end)
        s->backend->await_end(s);
    if (s->process.pidfd >= 0 && process_wait(&s->process, clock_ms() + 30000, &status) < 0)
        return error_errno(err, LRUN_INTERNAL, "local.finish", errno,
                           "the sandbox cannot be killed");
    base->alive = -1;
    cgroup_read_usage(s->cgroup, usage);
    if (s->backend->correct_usage)
        s->backend->correct_usage(s, usage);
    return 0;
}

static int local_open(struct engine **out, const struct tick *tick, lrun_error *err)
{
    struct engine *e = malloc(sizeof(*e));
    if (!e)
        return error_oom(err, "local.open");
    *e = (struct engine){.ops = &engine_local,
                         .abilities =
                             ENGINE_EGRESS | ENGINE_DISK_CAP | ENGINE_ACCELERATOR | ENGINE_EMBEDDED,
                         .tick = tick ? *tick : (struct tick){0}};
    *out = e;
    return 0;
}

static void local_close(struct engine *e)
{
    free(e);
}

static int local_available(struct engine *e, const char *name, lrun_error *err)
{
    (void)e;
    const struct tier *tier;
    cleanup_free char *path = NULL;
    return tier_find(&tier, name, err) < 0 || backend_check_user(tier, err) < 0 ||
                   tier_find_runtime(tier, &path, err) < 0 ||
                   (backend_of_tier(tier)->available && backend_of_tier(tier)->available(err) < 0)
               ? -1
               : 0;
}

static int local_commit(struct sandbox *base, const char *name, lrun_error *err)
{
    const struct local_sandbox *s = local_of(base);
    cleanup_store struct store *store = NULL;
    cleanup_assembly struct assembly a = ASSEMBLY_NONE;
    cleanup_image struct image config = {0}, image = {0};
    const struct assembly_tree tree = {LOCAL_ROOT, s->user_namespace, s->first_id};
    if (s->backend->open_root(s, err) < 0 || store_open(&store, true, err) < 0 ||
        assembly_begin(&a, store, NULL, err) < 0)
        return -1;
    /* The new image takes over the configuration, but not the name, creation time and digest. */
    config = base->image;
    base->image = (struct image){0};
    free(steal_ptr(config.name));
    free(steal_ptr(config.created));
    free(steal_ptr(config.digest));
    return assembly_store_tree(&a, &tree, name, &config, &image, err);
}

static unsigned local_destroy(struct sandbox *base)
{
    if (!base)
        return 0;
    struct local_sandbox *s = local_of(base);
    network_stop(&s->network);
    process_destroy(&s->process);
    for (int i = 0; i < 3; i++)
        cleanup_close_fd(&s->stdio[i]);
    if (s->backend && s->backend->close)
        s->backend->close(s);
    free(s->config);
    cleanup_close_fd(&s->image_fd);
    cgroup_destroy(s->cgroup);
    free(s->cgroup_root);
    cleanup_close_fd(&s->unpacked);
    scratch_discard(s->scratch);
    cleanup_close_fd(&s->scratch);
    cleanup_close_fd(&s->user_namespace);
    cleanup_close_fd(&s->network_namespace);
    userns_abandon(&s->birth);
    scratch_abandon(&s->scratch_birth);
    cleanup_close_fd(&s->id_lock);
    cleanup_close_fd(&s->high_lock);
    cdi_edits_free(&s->gpus);
    sandbox_close(base);
    free(s->runtime_path);
    free(s);
    return 0;
}

static int local_reap(struct engine *e, int64_t min_age_ms, struct engine_reaped *out,
                      lrun_error *err)
{
    (void)e;
    cleanup_store struct store *store = NULL;
    cleanup_free char *root = delegation_root();
    out->containers += root ? cgroup_reap(root, min_age_ms) : 0;
    /* A run's volume is a file without a name, so none can be left over. */
    return store_open(&store, false, err) < 0 ? -1 : store_sweep(store, err);
}

static const struct sandbox_ops local_sandbox = {
    .start = local_start,
    .ready = local_ready,
    .running = local_running,
    .cpu_used = local_cpu_used,
    .oom_kills = local_oom_kills,
    .kill = local_kill,
    .pause = local_pause,
    .finish = local_finish,
    .commit = local_commit,
    .destroy = local_destroy,
    .leaves_nothing = true,
};

const struct engine_ops engine_local = {
    .name = "local",
    .open = local_open,
    .close = local_close,
    .available = local_available,
    .find_image = local_images_find,
    .describe_image = local_images_describe,
    .pull = local_images_pull,
    .import_image = local_images_import,
    .list_images = local_images_list,
    .remove_image = local_images_remove,
    .clean_images = local_images_clean,
    .prepare = local_prepare,
    .reap = local_reap,
};
