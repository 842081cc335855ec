/* SPDX-License-Identifier: MIT */
/*
 * The engine docker: one container per run, by the Docker Engine API. As on the local engine,
 * the container's first process is the agent. Files, input and output go through the agent's
 * stream (relay.h), so they work the same in every tier, even where the daemon cannot see
 * into the container.
 *
 * The calls of one run, in order. None is made twice, except where noted:
 *
 *     GET    /version                       once per process
 *     GET    /images/NAME/json
 *     GET    /info                          for a cap on the disk, for many cores, with the default
 *                                           network, and without a network
 *     GET    /networks/NAME                 the first network, if there is one. In place of the
 *                                           default network, Podman makes one per run
 *     POST   /containers/create             again if the daemon does not see the agent's file
 *     HEAD   /containers/ID/archive         where the volumes lead: for each part of their paths
 *     PUT    /containers/ID/archive         the agent, for a daemon elsewhere and for setup steps
 *     POST   /networks/NAME/connect         for each network after the first
 *     POST   /containers/ID/attach, /start  by the relay
 *     GET    /containers/ID/json            by the relay, before the command; with a daemon
 *                                           elsewhere, after the container's end
 *     POST   /containers/ID/wait
 *     DELETE /containers/ID, /volumes/ID    on Podman also /networks/ID
 *
 * If the supervisor is killed, these are left: the container, whose agent ends because its stdin is
 * closed; the volume; and on Podman the run's network. All have the run's id as their label, and
 * reap removes them.
 */
#include "base/cleanup.h"
#include "base/io.h"
#include "base/libexec.h"
#include "engine/docker/agent_file.h"
#include "engine/docker/call.h"
#include "engine/docker/container.h"
#include "engine/docker/image.h"
#include "engine/docker/images.h"
#include "engine/docker/network.h"
#include "engine/docker/reap.h"
#include "engine/docker/relay.h"
#include "engine/docker/trial.h"
#include "engine/docker/volume.h"
#include "engine/engine.h"
#include "host/filter.h"
#include "policy/seccomp_profile.h"
#include "tier/agent_name.h"
#include "tier/oci/oci_bundle.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

/* In ms. END_MAX is for all calls at the end of a run together; the library gives a supervisor 60 s
 * for them. END_LEAST is what each of them has in any case. END_PATIENCE is how long a container
 * may take to end by itself, before it is killed. */
enum {
    CREATE_PATIENCE = 10000,
    END_TIMEOUT = 10000,
    END_PATIENCE = 2000,
    THAW_TIMEOUT = 5000,
    REMOVE_TIMEOUT = 30000,
    END_MAX = 40000,
    END_LEAST = 2000
};

struct docker_sandbox {
    struct sandbox base; /* first: the engine's table is called with a pointer to it */
    struct daemon *daemon;
    char id[48]; /* the name of the container, the volume, and the run's own network */
    char owner[PROCESS_IDENTITY_SIZE]; /* the supervisor, which owns all of them */
    char *agent;                       /* the agent's path on this machine */
    char network_id[NETWORK_ID_SIZE];  /* the default network's; "": another one, or id unknown */
    char agent_at[AGENT_NAME_SIZE];    /* the agent's path in the container */
    bool container, volume, network;   /* the run's own exists, or may exist */
    bool started, stopped;
    bool maybe_paused; /* a call was made since the last unpause that succeeded */
    bool pausing;      /* the call under way is a pause, not an unpause */
    struct call call;
    int facts;             /* relay_pipes.facts; -1: not started, or read already */
    int64_t end_by;        /* deadline of the end, by clock_ms(); 0: the end has not begun */
    struct cgroup *cgroup; /* the container's, made by the daemon; NULL: not here, or not found */
    bool looked;           /* `usage` has been read */
    struct cgroup_usage usage;
    struct process relay;
};

static struct docker_sandbox *docker_of(struct sandbox *s)
{
    return (struct docker_sandbox *)s;
}

/* -------------------------------------------------------------- what is available */

/* Returns a hint if the local engine seems to have the tier, as that is the cheapest
 * solution; else "". */
static const char *local_too(const char *name)
{
    const struct tier *tier;
    const struct tier_runtime *runtime;
    cleanup_free char *path = NULL;
    lrun_error ignored;
    return geteuid() == 0 && tier_find(&tier, name, &ignored) == 0 &&
                   tier_find_runtime(tier, &runtime, &path, &ignored) == 0
               ? "use --engine local, which has the tier; or "
               : "";
}

static int hint_register(const char *tier, lrun_error *err)
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

/* Adds a hint for a start that has failed in the daemon's runtime, or on a kernel that
 * is not the tier's. */
static void docker_explain(const char *tier, const char *said, lrun_error *err)
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

/* The daemon must have a runtime with the tier's name. Kata's shim need not be in
 * its list of runtimes. */
static int docker_available(const char *tier, lrun_error *err)
{
    struct daemon *d;
    const json_t *info;
    if (daemon_get(&d, err) < 0)
        return -1;
    if (!tier || strcmp(tier, "runc") == 0)
        return 0;
    if (daemon_info(d, &info, err) < 0)
        return -1;
    if (json_object_get(json_object_get(info, "Runtimes"), tier))
        return 0;
    if (strcmp(tier, REQUEST_KATA_SHIM) == 0)
        return trial_of_runtime(d, tier, err) < 0 ? hint_register(tier, err) : 0;
    error_set(err, LRUN_START_FAILED, "docker.info", "the Docker daemon has no runtime named '%s'",
              tier);
    return hint_register(tier, err);
}

/* -------------------------------------------------------------- creation */

/* Describes the host's kernel, to compare it with the agent's evidence. If the daemon is on another
 * machine, only the release is known. */
static void describe_host(struct docker_sandbox *s)
{
    struct utsname host;
    uname(&host);
    snprintf(s->base.host_release, sizeof(s->base.host_release), "%s", s->daemon->kernel);
    snprintf(s->base.host_version, sizeof(s->base.host_version), "%s",
             s->daemon->same_machine ? host.version : "");
    if (s->daemon->same_machine)
        tier_host_boot(s->base.host_boot);
}

/*
 * Gets the same seccomp program as on the local engine. It is active in addition to the daemon's
 * own, which an administrator may have made stricter. As the daemon's is an allow-list already,
 * this machine need not have the distribution's profile.
 */
static int find_filter(struct docker_sandbox *s, const struct request *r, lrun_error *err)
{
    cleanup_store struct store *store = NULL;
    cleanup_free char *folder = NULL;
    /* Without no_new_privs, installing a filter requires a capability. The agent has
     * it only in gVisor. */
    if (!r->no_new_privileges && !s->base.pids)
        return 0;
    if (store_open(&store, true, err) < 0 || store_scratch_folder(store, &folder, err) < 0 ||
        filter_get(folder, FILTER_ON_TOP, &s->base.filter, &s->base.filter_length, err) < 0)
        return -1;
    /* Without the profile our program is not an allow-list, so the daemon's must be active, too. In
     * a sandbox with its own kernel the daemon's never is. */
    if (!s->base.tier->own_kernel && access(SECCOMP_PROFILE, R_OK) < 0)
        s->base.filters_min = 2;
    return s->base.tier->own_kernel
               ? filter_allow(&s->base.filter, &s->base.filter_length, SYS_syslog, err)
               : 0;
}

static int no_disk_cap(lrun_error *err)
{
    return error_hint(err,
                      "leave out --disk, or keep Docker's data on XFS with project quotas, with "
                      "the storage driver overlay2");
}

/*
 * Checks that the daemon's storage driver caps what a container writes, or rejects the option if
 * the file system cannot do it. Other drivers, like containerd's, accept the option and ignore it.
 */
static int check_disk(struct daemon *d, lrun_error *err)
{
    static const char *const drivers[] = {"overlay2", "btrfs", "zfs"};
    const json_t *info;
    if (daemon_info(d, &info, err) < 0)
        return -1;
    const char *driver = json_string_value(json_object_get(info, "Driver"));
    for (size_t i = 0; driver && i < sizeof(drivers) / sizeof(drivers[0]); i++)
        if (strcmp(drivers[i], driver) == 0)
            return 0;
    error_set(err, LRUN_NOT_SUPPORTED, "docker.info",
              "disk: the Docker daemon's storage '%.40s' has no cap on what a container writes",
              driver ? driver : "");
    return no_disk_cap(err);
}

static int create_failed(const struct http_answer *answer, const struct request *r, lrun_error *err)
{
    static const char operation[] = "docker.create";
    const char *said = daemon_message(answer);
    bool runtime = strstr(said, "runtime") != NULL, storage = strstr(said, "storage") != NULL;
    bool unsupported = r->disk_asked && storage;
    daemon_refused(answer, unsupported ? LRUN_NOT_SUPPORTED : LRUN_START_FAILED, operation,
                   "the container cannot be made", err);
    if (unsupported)
        return no_disk_cap(err);
    if (runtime && strcmp(r->runtime, "runc") != 0)
        return hint_register(r->runtime, err);
    return -1;
}

/* A daemon on another machine, or in a container of its own, does not see our files. */
static bool lacks_agent(const struct http_answer *answer)
{
    return answer->status == 400 &&
           strstr(daemon_message(answer), "bind source path does not exist") != NULL;
}

/* The image has a file at the volume's path, which the daemon cannot copy into the volume. */
static bool lacks_folder(const struct http_answer *answer)
{
    return answer->status == 500 && strstr(daemon_message(answer), "not directory") != NULL;
}

static int create_as(struct docker_sandbox *s, const struct container *c, const struct request *r,
                     struct http_answer *answer, lrun_error *err)
{
    /* If we did not wait for the answer, the container might appear only after we
     * tried to remove it. */
    struct http_request request = {
        .operation = "docker.create", .method = "POST", .patience_ms = CREATE_PATIENCE};
    json_t *body = container_document(c, r, err);
    if (!body)
        return -1;
    request.body = body;
    s->container = true;
    int rc = daemon_call(s->daemon, &request, answer, err, "/containers/create?name=%s", s->id);
    json_decref(body);
    /* The name is taken: the container and volume of that name are not this run's. */
    if (rc == 0 && answer->status == 409)
        s->container = s->volume = false;
    return rc;
}

/* Removes the container before it has been started. It need not exist. */
static int remove_container(struct docker_sandbox *s, lrun_error *err)
{
    struct http_request request = {
        .operation = "docker.create", .method = "DELETE", .timeout_ms = REMOVE_TIMEOUT};
    cleanup_answer struct http_answer answer = {0};
    if (daemon_call(s->daemon, &request, &answer, err, "/containers/%s?force=1", s->id) < 0)
        return -1;
    return answer.status == 204 || answer.status == 404
               ? 0
               : daemon_refused(&answer, LRUN_START_FAILED, "docker.create",
                                "the container cannot be removed", err);
}

/* Whether the daemon has that runtime and gives it the flag to make no network. */
static bool makes_no_network(const json_t *info, const char *name)
{
    size_t i;
    const json_t *flag, *runtime = json_object_get(json_object_get(info, "Runtimes"), name);
    json_array_foreach (json_object_get(runtime, "runtimeArgs"), i, flag) {
        const char *text = json_string_value(flag);
        if (text && strcmp(text, TIER_GVISOR_NO_NETWORK_FLAG) == 0)
            return true;
    }
    return false;
}

/*
 * For the tier runc, the daemon uses its default runtime, which may be a stronger one.
 *
 * Without a network, the runtime alone can make the network namespace. For Docker's own "none", the
 * runtime has to call the daemon's program back, which takes up to half of the time of a start.
 * runc leaves the namespace with loopback up. gVisor finds no loopback in it, and makes one only if
 * a flag tells it to have no network.
 */
static int choose_runtime(struct container *c, struct daemon *d, const struct request *r,
                          lrun_error *err)
{
    static const char gvisor[] = "runsc" TIER_GVISOR_NO_NETWORK;
    const json_t *info;
    c->runtime = strcmp(c->tier->name, "runc") == 0 ? NULL : c->tier->name;
    c->network_disabled = false;
    /* Podman makes the namespace itself, and takes long to answer which runtime it uses. */
    if ((c->tier->own_kernel && !c->tier->is_gvisor) || d->podman || !engine_without_network(r))
        return 0;
    if (daemon_info(d, &info, err) < 0)
        return -1;
    if (c->tier->is_gvisor) {
        c->network_disabled = makes_no_network(info, gvisor);
        if (c->network_disabled)
            c->runtime = gvisor;
        return 0;
    }
    const char *name = json_string_value(json_object_get(info, "DefaultRuntime"));
    c->network_disabled = name && strcmp(name, "runc") == 0;
    return 0;
}

/* A daemon rejects more cores than it has. On the local engine that is no limit, so
 * ask for all that it has. */
static int choose_cpus(double *out, struct daemon *d, const struct request *r, lrun_error *err)
{
    const json_t *info;
    *out = r->cpus;
    if (r->cpus <= 1 || (d->same_machine && r->cpus <= get_nprocs()))
        return 0;
    if (daemon_info(d, &info, err) < 0)
        return -1;
    json_int_t there = json_integer_value(json_object_get(info, "NCPU"));
    if (there > 0 && r->cpus > (double)there)
        *out = (double)there;
    return 0;
}

/* Creates the container. Sets *in_the_way if that fails because the image has a file at the path of
 * the run's volume. Some daemons do not create such a container; others create it, but cannot
 * describe the path. */
static int create_once(struct docker_sandbox *s, struct container *c, const struct request *r,
                       const json_t *volumes, bool *in_the_way, lrun_error *err)
{
    cleanup_answer struct http_answer answer = {0};
    if (create_as(s, c, r, &answer, err) < 0)
        return -1;
    if (c->agent && lacks_agent(&answer)) {
        c->agent = NULL;
        http_answer_free(&answer);
        if (create_as(s, c, r, &answer, err) < 0)
            return -1;
    }
    *in_the_way = lacks_folder(&answer);
    if (answer.status != 201)
        return create_failed(&answer, r, err);
    int failed = volume_check_links(s->daemon, s->id, volumes, c->volume_at, err);
    *in_the_way = failed && err->code == LRUN_START_FAILED;
    return failed;
}

/* If a file is in the way of the volume and the working directory is the default one, the container
 * has no volume, and the command starts elsewhere. */
static int create_checked(struct docker_sandbox *s, struct container *c, const struct request *r,
                          const json_t *volumes, lrun_error *err)
{
    bool in_the_way = false;
    if (create_once(s, c, r, volumes, &in_the_way, err) == 0)
        return 0;
    if (!in_the_way || !c->volume_at || engine_named_workdir(r, &s->base.image, s->base.keep) ||
        remove_container(s, err) < 0)
        return -1;
    c->volume_at = NULL;
    return create_once(s, c, r, volumes, &in_the_way, err);
}

static int create(struct docker_sandbox *s, const struct request *r, lrun_error *err)
{
    cleanup_free char *workdir = NULL, *config = NULL;
    if (engine_workdir(&workdir, r, &s->base.image, s->base.keep, err) < 0)
        return -1;
    if (s->base.keep && !(config = docker_image_config(&s->base.image)))
        return error_oom(err, "docker.create");
    /* A volume cannot have a cap, so a run with a cap keeps everything in its root. */
    s->volume = !s->base.keep && !r->disk_asked && !volume_is_reserved(workdir);
    struct container container = {
        .id = s->id,
        .image = s->base.image.digest,
        .volume_at = s->volume ? workdir : NULL,
        .tier = s->base.tier,
        .owner = s->owner,
        .config = config,
        .agent_at = s->agent_at,
        /* A mount would leave an empty file in the image that is made from the container. */
        .agent = s->daemon->same_machine && !s->base.keep ? s->agent : NULL,
        .network = s->network         ? s->id
                   : s->network_id[0] ? s->network_id
                                      : container_network(r),
        .loopback_ipv6 = s->daemon->same_machine && !engine_without_network(r) &&
                         access("/proc/net/if_inet6", F_OK) == 0,
        .podman = s->daemon->podman,
        .cgroup_namespace = s->daemon->api >= DAEMON_API_CGROUP_NAMESPACE,
    };
    const json_t *volumes = docker_image_volumes();
    if (volume_check_places(volumes, r->disk_asked, err) < 0 ||
        choose_runtime(&container, s->daemon, r, err) < 0 ||
        choose_cpus(&container.cpus, s->daemon, r, err) < 0 ||
        create_checked(s, &container, r, volumes, err) < 0)
        return -1;
    return container.agent ? 0 : agent_file_put(s->daemon, s->id, s->agent_at, err);
}

/*
 * On any network except `bridge`, Docker's resolv.conf names its own server at 127.0.0.11. That
 * server depends on firewall rules that the network stacks of gVisor and of VMs do not see, so
 * those tiers get real servers. So does the default network, where there are no containers to find
 * by name. On the request's own networks, in the tier runc, containers find each other by name;
 * there Docker's server asks the servers that the request names (container.c).
 */
static void find_names(struct docker_sandbox *s, const struct request *r)
{
    bool is_default = strcmp(container_network(r), ENGINE_NETWORK_DEFAULT) == 0;
    if (engine_without_network(r) || s->daemon->podman || !(is_default || s->base.tier->own_kernel))
        return;
    /* The name servers of this machine may not be right for the daemon's machine. */
    if (r->dns || s->daemon->same_machine)
        resolver_find(&s->base.names, r->dns);
}

/* Podman connects the containers of a network, but can isolate networks, so there
 * each run has its own. */
static int find_network(struct docker_sandbox *s, const struct request *r, lrun_error *err)
{
    const char *name = container_network(r);
    if (strcmp(name, ENGINE_NETWORK_NONE) == 0)
        return 0;
    if (strcmp(name, ENGINE_NETWORK_DEFAULT) != 0)
        /* An invalid name is rejected later, with the other networks. */
        return container_is_network_name(name) ? network_look_up(s->daemon, name, err) : 0;
    if (!s->daemon->podman)
        return network_ensure(s->daemon, s->network_id, err);
    s->network = true;
    return network_make_own(s->daemon, s->id, s->owner, err);
}

static int prepare_steps(struct docker_sandbox *s, const struct request *r, lrun_error *err)
{
    bool found;
    if (r->kvm_only) {
        error_set(err, LRUN_NOT_SUPPORTED, "docker.prepare",
                  "options.accelerator: only the local engine chooses what runs a VM");
        return error_hint(err, "leave out --accelerator, or use --engine local");
    }
    s->agent = libexec_find("light-runner-agent", err);
    if (!s->agent || agent_name_make(s->agent_at, err) < 0 || daemon_get(&s->daemon, err) < 0 ||
        tier_row(&s->base.tier, r->runtime, err) < 0 ||
        tier_check_memory(s->base.tier, r->memory_bytes, err) < 0 ||
        docker_image_find(s->daemon, r->image, &found, &s->base.image, err) < 0)
        return -1;
    if (!found)
        return error_set(err, LRUN_START_FAILED, "image.resolve", "no image named '%s'", r->image);
    if (r->disk_asked && check_disk(s->daemon, err) < 0)
        return -1;
    if (s->base.tier->is_gvisor) {
        s->base.pids = r->pids + OCI_BUNDLE_OWN_PIDS;
        s->base.cpu_us = cgroup_cpu_us(r->cpus);
    }
    s->base.has_console = s->base.tier->is_guest;
    s->base.may_end_first = s->base.tier->own_kernel;
    /* For the tier runc the daemon chooses the runtime, and may choose a stronger one. */
    s->base.at_least = !s->base.tier->own_kernel;
    s->base.disk_uncapped = !r->disk_asked;
    /* The host's firewall decides what a network of the daemon reaches. */
    s->base.egress_open = !engine_without_network(r) &&
                          r->allow_egress != (REQUEST_EGRESS_HOST | REQUEST_EGRESS_METADATA);
    describe_host(s);
    find_names(s, r);
    if (find_filter(s, r, err) < 0 || find_network(s, r, err) < 0 || create(s, r, err) < 0)
        return -1;
    if (engine_without_network(r) || !r->networks)
        return 0;
    for (char **n = r->networks + 1; r->networks[0] && *n; n++)
        if (network_connect(s->daemon, *n, s->id, err) < 0)
            return -1;
    return 0;
}

static unsigned docker_destroy(struct sandbox *base);

static int docker_prepare(struct sandbox **out, const char *id, const struct request *r, bool keep,
                          lrun_error *err)
{
    struct docker_sandbox *s = calloc(1, sizeof(*s));
    if (!s)
        return error_oom(err, "docker.prepare");
    sandbox_init(&s->base, &engine_docker, keep);
    s->relay.pidfd = s->facts = -1;
    call_init(&s->call);
    snprintf(s->id, sizeof(s->id), "%s", id);
    process_identity(s->owner);
    if (prepare_steps(s, r, err) < 0) {
        docker_destroy(&s->base);
        return -1;
    }
    *out = &s->base;
    return 0;
}

static int docker_start(struct sandbox *base, lrun_error *err)
{
    struct docker_sandbox *s = docker_of(base);
    s->started = true;
    struct relay_pipes pipes;
    if (relay_start(&s->relay, &pipes, s->daemon, s->id, err) < 0)
        return -1;
    base->to_agent = pipes.to_agent;
    base->from_agent = pipes.from_agent;
    base->runtime_text = pipes.text;
    base->alive = s->relay.pidfd;
    s->facts = pipes.facts;
    return 0;
}

/* -------------------------------------------------------------- the end */

/* Returns the timeout of one call at the end, at most `most`. */
static int64_t end_timeout(struct docker_sandbox *s, int64_t most)
{
    if (s->end_by == 0)
        s->end_by = clock_ms() + END_MAX;
    int64_t left = s->end_by - clock_ms();
    return left < END_LEAST ? END_LEAST : left < most ? left : most;
}

static int call_container(struct docker_sandbox *s, const char *operation, const char *method,
                          const char *what, int64_t timeout_ms, struct http_answer *answer,
                          lrun_error *err)
{
    struct http_request request = {
        .operation = operation, .method = method, .timeout_ms = timeout_ms};
    return daemon_call(s->daemon, &request, answer, err, "/containers/%s%s", s->id, what);
}

/* Does not wait for the daemon, which may take long, because the supervisor's
 * loop must continue. */
static int docker_pause(struct sandbox *base, bool on, lrun_error *err)
{
    struct docker_sandbox *s = docker_of(base);
    if (call_start(&s->call, s->daemon, s->id, on ? "pause" : "unpause", err) < 0)
        return -1;
    s->pausing = on;
    s->maybe_paused = true;
    base->pausing = s->call.answer;
    return 1;
}

static int docker_paused(struct sandbox *base, lrun_error *err)
{
    struct docker_sandbox *s = docker_of(base);
    int rc = call_finish(&s->call, err);
    base->pausing = -1;
    if (rc == 0)
        s->maybe_paused = s->pausing;
    return rc;
}

static json_t *inspect(struct docker_sandbox *s, int64_t timeout_ms)
{
    lrun_error ignored;
    cleanup_answer struct http_answer answer = {0};
    call_container(s, "docker.inspect", "GET", "/json", timeout_ms, &answer, &ignored);
    return answer.status == 200 ? steal_ptr(answer.body) : NULL;
}

/*
 * Opens the container's cgroup, if it is on this machine, to read the usage. The cgroup vanishes
 * together with the container, and in gVisor the whole container dies when memory runs out. So we
 * watch for that ourselves, and look when it happens: Docker does not always notice it.
 */
static void docker_ready(struct sandbox *base)
{
    struct docker_sandbox *s = docker_of(base);
    char line[RELAY_FACTS_MAX + 1], id[IMAGE_HEX_LENGTH + 1];
    int32_t pid = 0;
    ssize_t n = read(s->facts, line, sizeof(line) - 1);
    cleanup_close_fd(&s->facts);
    line[n > 0 ? n : 0] = '\0';
    if (sscanf(line, "%64[0-9a-f] %9" SCNd32 "\n", id, &pid) == 2 &&
        strlen(id) == IMAGE_HEX_LENGTH && pid > 0 &&
        cgroup_open_of(&s->cgroup, CGROUP_ROOT, (pid_t)pid, id) == 0)
        base->memory = cgroup_watch_memory(s->cgroup);
}

/* Not for a VM, whose processes need not be in the container's cgroup. */
static int docker_cpu_used(const struct sandbox *base, uint64_t *us)
{
    const struct docker_sandbox *s = (const struct docker_sandbox *)base;
    bool counted = s->cgroup && (!base->tier->own_kernel || base->tier->is_gvisor);
    return counted ? cgroup_read_cpu(s->cgroup, us) : -1;
}

static void docker_on_memory(struct sandbox *base)
{
    struct docker_sandbox *s = docker_of(base);
    if (cgroup_ran_out(s->cgroup, base->memory, &s->usage))
        s->looked = true;
}

/* For a container on another machine, or one that ended at once, we know only
 * whether it ran out of memory. */
static void look_at_end(struct docker_sandbox *s)
{
    json_t *document = inspect(s, end_timeout(s, END_TIMEOUT));
    s->usage.oom_kills =
        json_is_true(json_object_get(json_object_get(document, "State"), "OOMKilled"));
    json_decref(document);
}

static void docker_kill(struct sandbox *base)
{
    struct docker_sandbox *s = docker_of(base);
    if (s->stopped || !s->started)
        return;
    s->stopped = true;
    if (s->cgroup && !cgroup_is_gone(s->cgroup)) {
        cgroup_read_usage(s->cgroup, &s->usage);
        s->looked = true;
    }
    /* The end of the relay closes the container's stdin. That ends the agent, and so everything. */
    process_destroy(&s->relay);
    base->alive = -1;
}

/* Returns 1: nothing in the container runs any more; 0: it has not ended in time. */
static int wait_for_end(struct docker_sandbox *s, int64_t timeout, lrun_error *err)
{
    cleanup_answer struct http_answer answer = {0};
    if (call_container(s, "docker.wait", "POST", "/wait?condition=not-running",
                       end_timeout(s, timeout), &answer, err) < 0)
        return -1;
    /* 404: the container has been removed by another process. */
    return answer.status == 200 || answer.status == 404;
}

/* Thaws the container: while frozen, its agent cannot notice that stdin is closed. False: it
 * may still be frozen. */
static bool thaw(struct docker_sandbox *s)
{
    cleanup_answer struct http_answer answer = {0};
    lrun_error ignored;
    call_abandon(&s->call);
    s->base.pausing = -1;
    /* Any answer will do: 500 and 409 mean that it is not paused. */
    return !s->maybe_paused || call_container(s, "docker.unpause", "POST", "/unpause",
                                              end_timeout(s, THAW_TIMEOUT), &answer, &ignored) == 0;
}

/* Waits until the container ends by itself, as its stdin is closed, or else kills it. Fails while
 * it may still be running: then there must be no result. */
static int await_end(struct docker_sandbox *s, lrun_error *err)
{
    cleanup_answer struct http_answer killed = {0};
    lrun_error slow = {0};
    if (thaw(s) && wait_for_end(s, END_PATIENCE, &slow) == 1)
        return 0;
    if (call_container(s, "docker.kill", "POST", "/kill", end_timeout(s, END_TIMEOUT), &killed,
                       err) < 0)
        return -1;
    /* It does not exist, or does not run. */
    if (killed.status == 404 || killed.status == 409)
        return 0;
    int ended = wait_for_end(s, END_TIMEOUT, err);
    if (ended != 0)
        return ended < 0 ? -1 : 0;
    daemon_refused(&killed, LRUN_INTERNAL, "docker.kill", "the container may still be running",
                   err);
    return error_hint(err, "docker rm -f %s", s->id);
}

static int docker_finish(struct sandbox *base, struct cgroup_usage *usage, lrun_error *err)
{
    struct docker_sandbox *s = docker_of(base);
    if (!s->started)
        return 0;
    docker_kill(base);
    if (await_end(s, err) < 0)
        return -1;
    if (!s->looked)
        look_at_end(s);
    *usage = s->usage;
    return 0;
}

static int docker_commit(struct sandbox *base, const char *name, lrun_error *err)
{
    struct docker_sandbox *s = docker_of(base);
    s->end_by = 0;
    return docker_image_commit(s->daemon, s->id, name, err);
}

/* Removes an object. Returns whether it is gone: it has been removed, or did not exist. */
static bool removed(struct docker_sandbox *s, const char *kind, const char *how)
{
    struct http_request request = {.operation = "docker.remove",
                                   .method = "DELETE",
                                   .timeout_ms = end_timeout(s, REMOVE_TIMEOUT)};
    cleanup_answer struct http_answer answer = {0};
    lrun_error ignored;
    return daemon_call(s->daemon, &request, &answer, &ignored, "/%s/%s%s", kind, s->id, how) == 0 &&
           (answer.status == 204 || answer.status == 404);
}

/* Removes everything by name, so that a container is removed even if the request to create it was
 * never answered. reap removes what is left. */
static unsigned docker_destroy(struct sandbox *base)
{
    unsigned left = 0;
    if (!base)
        return 0;
    struct docker_sandbox *s = docker_of(base);
    lrun_error ignored;
    /* The cleanup of a cancelled run must not be cancelled, too. */
    daemon_watch(NULL, NULL);
    process_destroy(&s->relay);
    call_abandon(&s->call);
    cleanup_close_fd(&s->facts);
    if (s->container && !removed(s, "containers", "?force=1&v=1"))
        left |= ENGINE_LEFT_CONTAINER;
    if (s->volume && !removed(s, "volumes", ""))
        left |= ENGINE_LEFT_VOLUME;
    if (s->network &&
        network_remove_own(s->daemon, s->id, end_timeout(s, REMOVE_TIMEOUT), &ignored) < 0)
        left |= ENGINE_LEFT_NETWORK;
    cgroup_destroy(s->cgroup);
    sandbox_close(base);
    free(s->agent);
    free(s);
    return left;
}

static int reap(int64_t min_age_ms, struct engine_reaped *out, lrun_error *err)
{
    struct daemon *d;
    return daemon_get(&d, err) < 0 ? -1 : docker_reap(d, min_age_ms, out, err);
}

static int network(enum engine_network_action action, const char *name, unsigned *count,
                   lrun_error *err)
{
    struct daemon *d;
    return daemon_get(&d, err) < 0 ? -1 : network_do(d, action, name, count, err);
}

LRUN_API const struct engine engine_docker = {
    .name = "docker",
    .watch = daemon_watch,
    .available = docker_available,
    .find_image = docker_images_find,
    .describe_image = docker_images_describe,
    .pull = docker_images_pull,
    .import_image = docker_images_import,
    .list_images = docker_images_list,
    .remove_image = docker_images_remove,
    .clean_images = docker_images_clean,
    .prepare = docker_prepare,
    .start = docker_start,
    .ready = docker_ready,
    .on_memory = docker_on_memory,
    .cpu_used = docker_cpu_used,
    .explain = docker_explain,
    .kill = docker_kill,
    .pause = docker_pause,
    .paused = docker_paused,
    .finish = docker_finish,
    .commit = docker_commit,
    .destroy = docker_destroy,
    .reap = reap,
    .network = network,
};
