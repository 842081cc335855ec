/* SPDX-License-Identifier: MIT */
#include "engine/docker/container.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "engine/engine.h"
#include "tier/oci/oci_bundle.h"
#include "wire/order.h"

#include <inttypes.h>
#include <string.h>

#define OPERATION "docker.create"

/* A kernel in user space has threads of its own, which count in the container's
 * limit on processes. */
enum { PIDS_OWN_KERNEL = 1024 };

bool container_is_of_run(const char *name, const json_t *labels)
{
    const char *id = json_string_value(json_object_get(labels, CONTAINER_LABEL));
    return name && id && order_id_is_valid(id) && strcmp(name, id) == 0;
}

const char *container_network(const struct sandbox_spec *spec)
{
    if (!sandbox_spec_has_network(spec))
        return ENGINE_NETWORK_NONE;
    return spec->networks && *spec->networks ? *spec->networks : ENGINE_NETWORK_DEFAULT;
}

/* Returns the capabilities by Docker's names, without the prefix: older daemons know only those. */
static json_t *capabilities(bool in_gvisor)
{
    static const char prefix[] = "CAP_";
    json_t *list = oci_bundle_capabilities(in_gvisor);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (json_array_set_new(list, i, json_string(name + strlen(prefix))) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* -------------------------------------------------------------- gpus */

/* Splits ids at commas. Examples of what a user writes: "0,1", "device=0", "device=GPU-uuid". */
static json_t *device_ids(const char *text)
{
    json_t *list = json_array();
    while (list && *text) {
        size_t length = strcspn(text, ",");
        if (length > 0 && json_array_append_new(list, json_stringn(text, length)) < 0) {
            json_decref(list);
            return NULL;
        }
        text += length + (text[length] == ',');
    }
    return list;
}

/* Accepts the values of `docker run --gpus`: all, a count, or devices. */
static int add_gpus(json_t *host, const char *gpus, lrun_error *err)
{
    uint64_t count;
    static const char device[] = "device=";
    const char *text = gpus;
    /* Docker's own command line requires quotes: "device=0,1". Remove them. */
    cleanup_free char *bare = strdup(gpus);
    if (!bare)
        return error_oom(err, OPERATION);
    size_t used = 0;
    for (const char *s = gpus; *s; s++)
        if (*s != '"')
            bare[used++] = *s;
    bare[used] = '\0';
    text = bare;
    json_t *request;
    if (strcmp(text, "all") == 0) {
        request = json_pack("{si,s[[s]]}", "Count", -1, "Capabilities", "gpu");
    } else if (text_parse_u64(text, &count) && count <= 1024) {
        request = json_pack("{sI,s[[s]]}", "Count", (json_int_t)count, "Capabilities", "gpu");
    } else {
        if (strncmp(text, device, strlen(device)) == 0)
            text += strlen(device);
        json_t *ids = device_ids(text);
        if (ids && json_array_size(ids) == 0) {
            json_decref(ids);
            return error_set(err, LRUN_INVALID_ARGUMENT, OPERATION,
                             "options.gpus: '%.80s' names no device", gpus);
        }
        request = json_pack("{so,s[[s]]}", "DeviceIDs", ids, "Capabilities", "gpu");
    }
    if (!request || json_object_set_new(host, "DeviceRequests", json_pack("[o]", request)) < 0)
        return error_oom(err, OPERATION);
    return 0;
}

/* -------------------------------------------------------------- the host's part */

static json_t *mounts(const struct container *c)
{
    json_t *volume = c->volume_at
                         ? json_pack("{ss,ss,ss,s{s{ss,ss}}}", "Type", "volume", "Source", c->id,
                                     "Target", c->volume_at, "VolumeOptions", "Labels",
                                     CONTAINER_LABEL, c->id, CONTAINER_OWNER_LABEL, c->owner)
                         : NULL;
    json_t *agent = c->agent ? json_pack("{ss,ss,ss,sb}", "Type", "bind", "Source", c->agent,
                                         "Target", c->agent_at, "ReadOnly", 1)
                             : NULL;
    return json_pack("[o*,o*]", agent, volume);
}

/* `seccomp` is left out, so the daemon's own profile stays active. The agent
 * installs ours in addition. */
static json_t *security(const struct container *c, const struct sandbox_spec *spec)
{
    /* Podman does not support ReadonlyPaths, so root in the container could lift
     * its own limits there. */
    return json_pack("[s*,s*]", spec->no_new_privileges ? "no-new-privileges" : NULL,
                     c->podman ? "mask=/sys/fs/cgroup" : NULL);
}

/*
 * Whether the container sees its own cgroup, and nothing around it. runc's mounts for that are
 * read-only, except for the folder that contains the mount points (v1). In a sandbox with its own
 * kernel the agent shows the limits.
 */
static bool shows_limits(const struct container *c)
{
    return c->cgroup_namespace && !c->podman && !c->tier->own_kernel;
}

static json_t *confinement(const struct container *c, const struct sandbox_spec *spec)
{
    return json_pack("{s[s],so,so,ss*,so,so}", "CapDrop", "ALL", "CapAdd",
                     capabilities(c->tier->is_gvisor), "SecurityOpt", security(c, spec),
                     "CgroupnsMode", c->cgroup_namespace ? "private" : NULL, "MaskedPaths",
                     oci_bundle_masked_paths(shows_limits(c)), "ReadonlyPaths",
                     oci_bundle_read_only_paths(shows_limits(c)));
}

/*
 * Returns the sysctls. As in tier/oci/oci_bundle.c, every user may ping and bind to any port.
 * Docker sets that itself since 20.10, but removes ::1 from loopback in networks without IPv6.
 * NULL: nothing to set.
 */
static json_t *settings(const struct container *c)
{
    if (c->tier->own_kernel || !(c->podman || c->loopback_ipv6))
        return NULL;
    return c->podman ? json_pack("{ss,ss}", "net.ipv4.ping_group_range", "0 65535",
                                 "net.ipv4.ip_unprivileged_port_start", "0")
                     : json_pack("{ss}", "net.ipv6.conf.lo.disable_ipv6", "0");
}

static json_t *limits(const struct container *c, const struct sandbox_spec *spec)
{
    char disk[32];
    snprintf(disk, sizeof(disk), "%" PRIu64, spec->disk_bytes);
    json_t *storage = spec->disk_asked ? json_pack("{ss}", "size", disk) : NULL;
    return json_pack(
        "{sI,sI,sI,si,so*,s[{sssIsI}]}", "Memory", (json_int_t)spec->memory_bytes, "MemorySwap",
        (json_int_t)spec->memory_bytes, "NanoCpus", (json_int_t)(c->cpus * 1e9 + 0.5), "PidsLimit",
        (int)spec->pids + OCI_BUNDLE_OWN_PIDS + (c->tier->own_kernel ? PIDS_OWN_KERNEL : 0),
        "StorageOpt", storage,
        /* As on the local engine: no core file, and no program that a core pattern starts. */
        "Ulimits", "Name", "core", "Soft", (json_int_t)1, "Hard", (json_int_t)1);
}

static int add_all(json_t *to, json_t *from)
{
    int rc = json_object_update(to, from);
    json_decref(from);
    return rc;
}

/* Adds the name servers of the request. Docker's own server asks them and
 * passes on their answers. */
static int add_name_servers(json_t *host, const struct sandbox_spec *spec)
{
    json_t *list = json_array();
    for (char *const *server = spec->dns; list && server && *server; server++) {
        if (json_array_append_new(list, json_string(*server)) < 0) {
            json_decref(list);
            return -1;
        }
    }
    return json_object_set_new(host, "Dns", list);
}

static json_t *host_part(const struct container *c, const struct sandbox_spec *spec,
                         lrun_error *err)
{
    json_t *host = json_pack("{so,ss,s{ss},sb,sb,ss*,so*}", "Mounts", mounts(c), "NetworkMode",
                             c->network, "LogConfig", "Type", "none", "AutoRemove", 0, "Init", 0,
                             "Runtime", c->runtime, "Sysctls", settings(c));
    int rc = 0;
    if (add_all(host, confinement(c, spec)) < 0 || add_all(host, limits(c, spec)) < 0 ||
        (spec->dns && add_name_servers(host, spec) < 0))
        rc = error_oom(err, OPERATION);
    else if (spec->gpus)
        rc = add_gpus(host, spec->gpus, err);
    if (rc == 0)
        return host;
    json_decref(host);
    return NULL;
}

/* Whether Docker accepts the text as a network's name. "container:ID" is not one. */
bool container_is_network_name(const char *text)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    size_t length = strlen(text);
    return length > 0 && length <= 128 && strspn(text, letters) == length && text[0] != '.' &&
           text[0] != '-' && text[0] != '_';
}

/* Rejects the networks of the host and of other containers, which are no isolation. */
static int check_networks(const struct sandbox_spec *spec, lrun_error *err)
{
    for (char *const *n = spec->networks; n && *n; n++) {
        bool named = container_is_network_name(*n);
        if (named && strcmp(*n, "host") != 0)
            continue;
        error_set(err, LRUN_INVALID_ARGUMENT, OPERATION, "networks: '%.80s' is %s", *n,
                  named ? "the host's own network, which is no sandbox's" : "not a network's name");
        return error_hint(
            err, "leave out --network for the default one, or name one of docker network ls");
    }
    return 0;
}

json_t *container_document(const struct container *c, const struct sandbox_spec *spec,
                           lrun_error *err)
{
    json_t *host = check_networks(spec, err) < 0 ? NULL : host_part(c, spec, err);
    if (!host)
        return NULL;
    /* The agent, not Docker, applies the image's own command, user, env and health check. */
    json_t *document = json_pack(
        "{ss,ss,s[ss*s*],s[],ss,ss,sb,sb,sb,sb,sb,sb,sb,s{ss,ss,ss*},s{s[s]},so}", "Image",
        c->image, "Hostname", c->id, "Entrypoint", c->agent_at, c->tier->own_kernel ? "log" : NULL,
        c->agent ? NULL : "unlink", "Cmd", "User", "0:0", "WorkingDir", "/", "OpenStdin", 1,
        "StdinOnce", 1, "AttachStdin", 1, "AttachStdout", 1, "AttachStderr", 1, "Tty", 0,
        "NetworkDisabled", c->network_disabled, "Labels", CONTAINER_LABEL, c->id,
        CONTAINER_OWNER_LABEL, c->owner, CONTAINER_CONFIG_LABEL, c->config, "Healthcheck", "Test",
        "NONE", "HostConfig", host);
    if (!document)
        error_oom(err, OPERATION);
    return document;
}
