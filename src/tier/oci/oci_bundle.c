/* SPDX-License-Identifier: MIT */
#include "tier/oci/oci_bundle.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "policy/confinement.h"

#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <sys/resource.h>

static const char mounts[] =
    "[{'destination':'/proc','type':'proc','source':'proc','options':['nosuid','noexec','nodev']},"
    "{'destination':'/dev','type':'tmpfs','source':'tmpfs',"
    "'options':['nosuid','strictatime','mode=755','size=65536k']},"
    "{'destination':'/dev/pts','type':'devpts','source':'devpts',"
    "'options':['nosuid','noexec','newinstance','ptmxmode=0666','mode=0620','gid=5']},"
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
    return json_pack("{s:b, s:{s:i, s:i}, s:[s,s], s:[s,s], s:s, s:{s:o, s:o, s:o}, s:o, s:b}",
                     "terminal", 0, "user", "uid", 0, "gid", 0, "args", b->agent_target, "log",
                     "env", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                     "HOME=/", "cwd", "/", "capabilities", "bounding",
                     oci_bundle_capabilities(true), "effective", oci_bundle_capabilities(true),
                     "permitted", oci_bundle_capabilities(true), "rlimits", rlimits(),
                     "noNewPrivileges", b->no_new_privileges);
}

static json_t *namespace_section(const struct oci_bundle *b)
{
    json_t *list = table(namespaces);
    json_t *user = json_pack("{s:s}", "type", "user");
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

static json_t *linux_section(const struct oci_bundle *b)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "namespaces", namespace_section(b), "uidMappings",
                     id_mapping(b), "gidMappings", id_mapping(b), "maskedPaths",
                     oci_bundle_masked_paths(false), "readonlyPaths",
                     oci_bundle_read_only_paths(false));
}

/* Tells gVisor how to make the root. New reference. */
static json_t *annotation_section(const struct oci_bundle *b)
{
    return json_pack("{s:s, s:s, s:o, s:o}", "dev.gvisor.spec.rootfs.source", b->image,
                     "dev.gvisor.spec.rootfs.type", "erofs", "dev.gvisor.spec.rootfs.overlay",
                     json_sprintf("dir=%s", b->upper), "dev.gvisor.spec.rootfs.options",
                     json_sprintf("size=%" PRIu64, b->upper_bytes));
}

/* The agent's file is shown read-only. */
static json_t *mount_section(const struct oci_bundle *b)
{
    json_t *list = table(mounts);
    json_t *agent =
        json_pack("{s:s, s:s, s:s, s:[s,s,s,s]}", "destination", b->agent_target, "type", "bind",
                  "source", b->agent, "options", "bind", "ro", "nosuid", "nodev");
    if (list && json_array_append_new(list, agent) == 0)
        return list;
    json_decref(list);
    return NULL;
}

char *oci_bundle_config(const struct oci_bundle *b, lrun_error *err)
{
    json_t *config = json_pack("{s:s, s:o, s:{s:s, s:b}, s:s, s:o, s:o, s:o}", "ociVersion",
                               "1.0.2", "process", process_section(b), "root", "path", b->rootfs,
                               "readonly", 0, "hostname", b->hostname, "mounts", mount_section(b),
                               "linux", linux_section(b), "annotations", annotation_section(b));
    char *text = config ? json_dumps(config, JSON_COMPACT) : NULL;
    json_decref(config);
    if (!text)
        error_oom(err, "oci.bundle");
    return text;
}
