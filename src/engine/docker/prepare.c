/* SPDX-License-Identifier: MIT */
/*
 * Creates the container of a run, up to the point where it can be started.
 */
#include "engine/docker/prepare.h"

#include "base/cleanup.h"
#include "base/libexec.h"
#include "engine/docker/agent_file.h"
#include "engine/docker/container.h"
#include "engine/docker/docker_sandbox.h"
#include "engine/docker/hint.h"
#include "engine/docker/image.h"
#include "engine/docker/volume.h"
#include "host/filter.h"
#include "policy/seccomp_profile.h"
#include "tier/oci/oci_bundle.h"

#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

/* In ms. REMOVE_TIMEOUT is for a container that has not been started. */
enum { CREATE_PATIENCE = 10000, REMOVE_TIMEOUT = 30000 };

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
static int find_filter(struct docker_sandbox *s, const struct sandbox_spec *spec, lrun_error *err)
{
    cleanup_store struct store *store = NULL;
    cleanup_free char *folder = NULL;
    /* Without no_new_privs, installing a filter requires a capability. The agent has
     * it only in gVisor. */
    if (!spec->no_new_privileges && !s->base.pids)
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

static int create_failed(const struct http_answer *answer, const struct sandbox_spec *spec,
                         lrun_error *err)
{
    static const char operation[] = "docker.create";
    const char *said = daemon_message(answer);
    bool runtime = strstr(said, "runtime") != NULL, storage = strstr(said, "storage") != NULL;
    bool unsupported = spec->disk_asked && storage;
    daemon_refused(answer, unsupported ? LRUN_NOT_SUPPORTED : LRUN_START_FAILED, operation,
                   "the container cannot be made", err);
    if (unsupported)
        return no_disk_cap(err);
    if (runtime && strcmp(spec->tier, "runc") != 0)
        return hint_register(spec->tier, err);
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

static int create_as(struct docker_sandbox *s, const struct container *c,
                     const struct sandbox_spec *spec, struct http_answer *answer, lrun_error *err)
{
    /* If we did not wait for the answer, the container might appear only after we
     * tried to remove it. */
    struct http_request request = {
        .operation = "docker.create", .method = "POST", .patience_ms = CREATE_PATIENCE};
    json_t *body = container_document(c, spec, err);
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
static int choose_runtime(struct container *c, struct daemon *d, const struct sandbox_spec *spec,
                          lrun_error *err)
{
    static const char gvisor[] = "runsc" TIER_GVISOR_NO_NETWORK;
    const json_t *info;
    c->runtime = strcmp(c->tier->name, "runc") == 0 ? NULL : c->tier->name;
    c->network_disabled = false;
    /* Podman makes the namespace itself, and takes long to answer which runtime it uses. */
    if ((c->tier->own_kernel && !c->tier->is_gvisor) || d->podman || sandbox_spec_has_network(spec))
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
static int choose_cpus(double *out, struct daemon *d, const struct sandbox_spec *spec,
                       lrun_error *err)
{
    const json_t *info;
    *out = spec->cpus;
    if (spec->cpus <= 1 || (d->same_machine && spec->cpus <= get_nprocs()))
        return 0;
    if (daemon_info(d, &info, err) < 0)
        return -1;
    json_int_t there = json_integer_value(json_object_get(info, "NCPU"));
    if (there > 0 && spec->cpus > (double)there)
        *out = (double)there;
    return 0;
}

/* Creates the container. Sets *in_the_way if that fails because the image has a file at the path of
 * the run's volume. Some daemons do not create such a container; others create it, but cannot
 * describe the path. */
static int create_once(struct docker_sandbox *s, struct container *c,
                       const struct sandbox_spec *spec, const json_t *volumes, bool *in_the_way,
                       lrun_error *err)
{
    cleanup_answer struct http_answer answer = {0};
    if (create_as(s, c, spec, &answer, err) < 0)
        return -1;
    if (c->agent && lacks_agent(&answer)) {
        c->agent = NULL;
        http_answer_free(&answer);
        if (create_as(s, c, spec, &answer, err) < 0)
            return -1;
    }
    *in_the_way = lacks_folder(&answer);
    if (answer.status != 201)
        return create_failed(&answer, spec, err);
    int failed = volume_check_links(s->daemon, s->id, volumes, c->volume_at, err);
    *in_the_way = failed && err->code == LRUN_START_FAILED;
    return failed;
}

/* If a file is in the way of the volume and the working directory is the default one, the container
 * has no volume, and the command starts elsewhere. */
static int create_checked(struct docker_sandbox *s, struct container *c,
                          const struct sandbox_spec *spec, const json_t *volumes, lrun_error *err)
{
    bool in_the_way = false;
    if (create_once(s, c, spec, volumes, &in_the_way, err) == 0)
        return 0;
    if (!in_the_way || !c->volume_at || sandbox_spec_named_workdir(spec, &s->base.image) ||
        remove_container(s, err) < 0)
        return -1;
    c->volume_at = NULL;
    return create_once(s, c, spec, volumes, &in_the_way, err);
}

static int create(struct docker_sandbox *s, const struct sandbox_spec *spec, lrun_error *err)
{
    cleanup_free char *workdir = NULL, *config = NULL;
    if (sandbox_spec_workdir(&workdir, spec, &s->base.image, err) < 0)
        return -1;
    if (s->base.keep && !(config = docker_image_config(&s->base.image)))
        return error_oom(err, "docker.create");
    /* A volume cannot have a cap, so a run with a cap keeps everything in its root. */
    s->volume = !s->base.keep && !spec->disk_asked && !volume_is_reserved(workdir);
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
                                      : container_network(spec),
        .loopback_ipv6 = s->daemon->same_machine && sandbox_spec_has_network(spec) &&
                         access("/proc/net/if_inet6", F_OK) == 0,
        .podman = s->daemon->podman,
        .cgroup_namespace = s->daemon->api >= DAEMON_API_CGROUP_NAMESPACE,
    };
    const json_t *volumes = docker_image_volumes(s->engine);
    if (volume_check_places(volumes, spec->disk_asked, err) < 0 ||
        choose_runtime(&container, s->daemon, spec, err) < 0 ||
        choose_cpus(&container.cpus, s->daemon, spec, err) < 0 ||
        create_checked(s, &container, spec, volumes, err) < 0)
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
static void find_names(struct docker_sandbox *s, const struct sandbox_spec *spec)
{
    bool is_default = strcmp(container_network(spec), ENGINE_NETWORK_DEFAULT) == 0;
    if (!sandbox_spec_has_network(spec) || s->daemon->podman ||
        !(is_default || s->base.tier->own_kernel))
        return;
    /* The name servers of this machine may not be right for the daemon's machine. */
    if (spec->dns || s->daemon->same_machine)
        resolver_find(&s->base.names, spec->dns);
}

/* Podman connects the containers of a network, but can isolate networks, so there
 * each run has its own. */
static int find_network(struct docker_sandbox *s, const struct sandbox_spec *spec, lrun_error *err)
{
    const char *name = container_network(spec);
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

static int prepare_steps(struct docker_sandbox *s, const struct sandbox_spec *spec, lrun_error *err)
{
    bool found;
    s->agent = libexec_find("light-runner-agent", err);
    if (!s->agent || agent_name_make(s->agent_at, err) < 0 ||
        tier_row(&s->base.tier, spec->tier, err) < 0 ||
        tier_check_memory(s->base.tier, spec->memory_bytes, err) < 0 ||
        docker_image_find(s->engine, spec->image, &found, &s->base.image, err) < 0)
        return -1;
    if (!found)
        return error_set(err, LRUN_START_FAILED, "image.resolve", "no image named '%s'",
                         spec->image);
    if (spec->disk_asked && check_disk(s->daemon, err) < 0)
        return -1;
    if (s->base.tier->is_gvisor) {
        s->base.pids = spec->pids + OCI_BUNDLE_OWN_PIDS;
        s->base.cpu_us = cgroup_cpu_us(spec->cpus);
    }
    s->base.has_console = s->base.tier->is_guest;
    s->base.may_end_first = s->base.tier->own_kernel;
    /* For the tier runc the daemon chooses the runtime, and may choose a stronger one. */
    s->base.at_least = !s->base.tier->own_kernel;
    describe_host(s);
    find_names(s, spec);
    if (find_filter(s, spec, err) < 0 || find_network(s, spec, err) < 0 || create(s, spec, err) < 0)
        return -1;
    if (!sandbox_spec_has_network(spec) || !spec->networks)
        return 0;
    for (char *const *n = spec->networks + 1; spec->networks[0] && *n; n++)
        if (network_connect(s->daemon, *n, s->id, err) < 0)
            return -1;
    return 0;
}

int docker_prepare(struct engine *e, struct sandbox **out, const struct sandbox_spec *spec,
                   lrun_error *err)
{
    struct docker_sandbox *s = docker_sandbox_make(docker_engine_of(e), spec->id, spec->keep_root);
    if (!s)
        return error_oom(err, "docker.prepare");
    if (prepare_steps(s, spec, err) < 0) {
        docker_sandbox_destroy(&s->base);
        return -1;
    }
    *out = &s->base;
    return 0;
}
