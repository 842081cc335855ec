/* SPDX-License-Identifier: MIT */
#include "tier/oci/oci_bundle.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "policy/confinement.h"
#include "policy/seccomp_profile.h"

#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <sys/resource.h>

/* The group that owns terminals. */
#define TTY_GID "gid=5"

static const char mounts[] =
    "[{'destination':'/proc','type':'proc','source':'proc','options':['nosuid','noexec','nodev']},"
    "{'destination':'/dev','type':'tmpfs','source':'tmpfs',"
    "'options':['nosuid','strictatime','mode=755','size=65536k']},"
    "{'destination':'/dev/pts','type':'devpts','source':'devpts',"
    "'options':['nosuid','noexec','newinstance','ptmxmode=0666','mode=0620','" TTY_GID "']},"
    "{'destination':'/dev/shm','type':'tmpfs','source':'shm',"
    "'options':['nosuid','noexec','nodev','mode=1777','size=65536k']},"
    "{'destination':'/dev/mqueue','type':'mqueue','source':'mqueue',"
    "'options':['nosuid','noexec','nodev']},"
    "{'destination':'/sys','type':'sysfs','source':'sysfs',"
    "'options':['nosuid','noexec','nodev','ro']}]";

static const char namespaces[] = "[{'type':'pid'},{'type':'ipc'},{'type':'uts'},{'type':'mount'},"
                                 "{'type':'cgroup'}]";

/* RLIMIT_CORE is one byte. 0 would also prevent core files, but a core_pattern that pipes into a
 * program runs that program on the host with every limit except 1. */
static json_t *rlimits(void)
{
    struct rlimit files = {1024, 1024};
    /* The hard limit stays as it is: raising it takes a capability that we may not have. The
     * supervisor has set all other limits for itself (host/inherited.h). */
    getrlimit(RLIMIT_NOFILE, &files);
    json_int_t hard = (json_int_t)files.rlim_max, soft = hard < 1024 ? hard : 1024;
    return json_pack("[{s:s, s:I, s:I}, {s:s, s:i, s:i}]", "type", "RLIMIT_NOFILE", "soft", soft,
                     "hard", hard, "type", "RLIMIT_CORE", "soft", 1, "hard", 1);
}

/* The tables above are JSON with ' instead of ", which is readable in C. New reference. */
static json_t *table(const char *text)
{
    cleanup_free char *copy = strdup(text);
    if (!copy)
        return NULL;
    for (char *p = copy; *p; p++)
        if (*p == '\'')
            *p = '"';
    return json_loads(copy, 0, NULL);
}

static bool add_capabilities(json_t *list, const struct confinement_capability *c)
{
    for (; c->name; c++)
        if (json_array_append_new(list, json_string(c->name)) < 0)
            return false;
    return true;
}

json_t *oci_bundle_capabilities(bool in_gvisor)
{
    json_t *list = json_array();
    if (add_capabilities(list, confinement_capabilities) &&
        (!in_gvisor || add_capabilities(list, confinement_agent_capabilities)))
        return list;
    json_decref(list);
    return NULL;
}

static json_t *path_list(const char *const *paths, const char *except)
{
    json_t *list = json_array();
    for (; *paths; paths++) {
        if (except && strcmp(*paths, except) == 0)
            continue;
        if (json_array_append_new(list, json_string(*paths)) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

json_t *oci_bundle_masked_paths(bool limits)
{
    return path_list(confinement_masked, limits ? CONFINEMENT_CGROUP : NULL);
}

json_t *oci_bundle_read_only_paths(bool limits)
{
    json_t *list = path_list(confinement_read_only, NULL);
    if (list && limits && json_array_append_new(list, json_string(CONFINEMENT_CGROUP)) < 0) {
        json_decref(list);
        return NULL;
    }
    return list;
}

/* HOME is set so that the runtime does not look for it in the image's /etc/passwd, which may be a
 * link to an endless file. */
static json_t *process_section(const struct oci_bundle *b)
{
    bool gvisor = b->image != NULL;
    return json_pack(
        "{s:b, s:{s:i, s:i}, s:[s,s*], s:[s,s], s:s, s:{s:o, s:o, s:o}, s:o*, s:b}", "terminal", 0,
        "user", "uid", 0, "gid", 0, "args", b->agent_target, b->kernel_log ? "log" : NULL, "env",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "cwd", "/",
        "capabilities", "bounding", oci_bundle_capabilities(gvisor), "effective",
        oci_bundle_capabilities(gvisor), "permitted", oci_bundle_capabilities(gvisor), "rlimits",
        b->keeps_limits ? NULL : rlimits(), "noNewPrivileges", b->no_new_privileges);
}

static json_t *namespace_section(const struct oci_bundle *b)
{
    json_t *list = table(namespaces);
    json_t *user = json_pack("{s:s, s:s*}", "type", "user", "path", b->user_namespace);
    json_t *network = json_pack("{s:s, s:s*}", "type", "network", "path", b->network_namespace);
    if (!list || json_array_append_new(list, user) < 0 ||
        json_array_append_new(list, network) < 0) {
        json_decref(list);
        return NULL;
    }
    return list;
}

static json_t *id_mapping(const struct oci_bundle *b)
{
    json_t *list = json_array();
    for (size_t i = 0; i < b->ids->count; i++) {
        const struct id_map_line *l = &b->ids->lines[i];
        if (json_array_append_new(
                list, json_pack("{s:I, s:I, s:I}", "containerID", (json_int_t)l->inside, "hostID",
                                (json_int_t)l->outside, "size", (json_int_t)l->count)) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/*
 * In the sandbox's own network, every user may ping (with the kernel's sockets for that) and bind
 * to any port, as in Docker. gVisor's kernel has no such settings, and allows both.
 */
static json_t *settings(const struct oci_bundle *b)
{
    char groups[32];
    if (b->image)
        return NULL;
    snprintf(groups, sizeof(groups), "0 %u", b->ids->lines[0].count - 1);
    return json_pack("{s:s, s:s}", "net.ipv4.ping_group_range", groups,
                     "net.ipv4.ip_unprivileged_port_start", "0");
}

static json_t *linux_section(const struct oci_bundle *b, lrun_error *err)
{
    json_t *seccomp = NULL;
    if (b->seccomp_path && seccomp_profile_load(&seccomp, b->seccomp_path, err) < 0)
        return NULL;
    json_t *section =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o*, s:o*}", "namespaces", namespace_section(b),
                  "uidMappings", id_mapping(b), "gidMappings", id_mapping(b), "maskedPaths",
                  oci_bundle_masked_paths(b->limits), "readonlyPaths",
                  oci_bundle_read_only_paths(false), "seccomp", seccomp, "sysctl", settings(b));
    if (section && b->cgroup_path)
        json_object_set_new(section, "cgroupsPath", json_string(b->cgroup_path));
    if (!section)
        error_oom(err, "oci.bundle");
    return section;
}

/* Tells gVisor how to make the root. NULL for other runtimes. New reference. */
static json_t *annotation_section(const struct oci_bundle *b)
{
    if (!b->image)
        return NULL;
    return json_pack("{s:s, s:s, s:o, s:o}", "dev.gvisor.spec.rootfs.source", b->image,
                     "dev.gvisor.spec.rootfs.type", "erofs", "dev.gvisor.spec.rootfs.overlay",
                     json_sprintf("dir=%s", b->upper), "dev.gvisor.spec.rootfs.options",
                     json_sprintf("size=%" PRIu64, b->upper_bytes));
}

/* Shows a file or a folder of the host in the sandbox, read-only. `how`: "bind", or "rbind" to
 * include the mounts in the folder. */
static int add_bind(json_t *list, const char *source, const char *target, const char *how)
{
    return json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:[s,s,s,s]}", "destination",
                                                 target, "type", "bind", "source", source,
                                                 "options", how, "ro", "nosuid", "nodev"));
}

/*
 * In the sandbox's user namespace, the kernel shows a folder only together with the mounts in it.
 * crun 1.8 still omits some of these mounts; they are added again, one by one. runc 1.1.15 cannot
 * do that: it opens each target, and a group's folder is closed to the sandbox's root.
 */
static int add_limits(json_t *list, const struct oci_bundle *b)
{
    int failed = add_bind(list, b->limits, CONFINEMENT_CGROUP, "rbind");
    for (const char *const *name = b->limit_names; !failed && name && *name; name++) {
        char source[256], target[256];
        if (!**name)
            continue;
        snprintf(source, sizeof(source), "%s/%s", b->limits, *name);
        snprintf(target, sizeof(target), CONFINEMENT_CGROUP "/%s", *name);
        failed = add_bind(list, source, target, "bind");
    }
    return failed;
}

/* The kernel rejects the option if the sandbox does not have that group. */
static void drop_tty_group(json_t *list)
{
    size_t i, j;
    json_t *mount, *option;
    json_array_foreach (list, i, mount) {
        json_t *options = json_object_get(mount, "options");
        json_array_foreach (options, j, option) {
            if (strcmp(json_string_value(option), TTY_GID) == 0) {
                json_array_remove(options, j);
                break;
            }
        }
    }
}

static json_t *mount_section(const struct oci_bundle *b)
{
    json_t *list = table(mounts);
    const char *target;
    json_t *mount;
    if (b->ids->lines[0].count <= 5)
        drop_tty_group(list);
    /* These come before our own mounts: whatever the image has at their paths,
     * ours end up on top. */
    if (b->edits)
        json_object_foreach (b->edits->mounts, target, mount)
            json_array_append(list, mount);
    if (!list || add_bind(list, b->agent, b->agent_target, "bind") < 0 ||
        (b->resolv_conf && add_bind(list, b->resolv_conf, "/etc/resolv.conf", "bind") < 0) ||
        (b->limits && add_limits(list, b) < 0)) {
        json_decref(list);
        return NULL;
    }
    return list;
}

char *oci_bundle_config(const struct oci_bundle *b, lrun_error *err)
{
    json_t *sandbox = linux_section(b, err);
    if (!sandbox)
        return NULL;
    json_t *config = json_pack("{s:s, s:o, s:{s:s, s:b}, s:s, s:o, s:o, s:o*}", "ociVersion",
                               "1.0.2", "process", process_section(b), "root", "path", b->rootfs,
                               "readonly", 0, "hostname", b->hostname, "mounts", mount_section(b),
                               "linux", sandbox, "annotations", annotation_section(b));
    if (config && b->edits && json_array_size(b->edits->hooks) > 0)
        json_object_set_new(config, "hooks",
                            json_pack("{s:O}", "createContainer", b->edits->hooks));
    char *text = config ? json_dumps(config, JSON_COMPACT) : NULL;
    json_decref(config);
    if (!text)
        error_oom(err, "oci.bundle");
    return text;
}
