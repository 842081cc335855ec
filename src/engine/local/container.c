/* SPDX-License-Identifier: MIT */
/*
 * Tier `runc`: a container on the host's kernel, which our own launcher builds (box/box.h). This
 * file makes the launcher's table: it opens everything that the container shows, as detached mounts
 * of this namespace.
 */
#include "base/cleanup.h"
#include "base/io.h"
#include "box/box_launch.h"
#include "engine/local/backend.h"
#include "engine/local/gpus.h"
#include "engine/local/oci.h"
#include "engine/local/own_files.h"
#include "engine/local/root.h"
#include "host/filter.h"
#include "host/inherited.h"
#include "host/mount.h"
#include "host/rootless.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <unistd.h>

static const char operation[] = "local.start";

struct container {
    struct box box;
    int null;
    char *filter;      /* installed by the launcher; NULL: by the agent */
    struct gpus *gpus; /* NULL: there are none */
};

static int cannot_open(const char *path, lrun_error *err)
{
    return error_errno(err, LRUN_START_FAILED, operation, errno, "cannot open '%s' for the sandbox",
                       path);
}

/* Shows a file or a folder with the mounts in it, read-only. */
static int add_tree(struct box *b, const char *path, const char *target, lrun_error *err)
{
    int fd = mount_detached(path, AT_RECURSIVE,
                            MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    if (fd < 0)
        return cannot_open(path, err);
    b->trees[b->tree_count++] = (struct box_tree){fd, target};
    return 0;
}

static int add_devices(struct box *b, lrun_error *err)
{
    const char *folder = rootless_active() ? "/dev" : LOCAL_DEVICES;
    for (size_t i = 0; i < BOX_DEVICES; i++) {
        char path[64];
        snprintf(path, sizeof(path), "%s/%s", folder, box_devices[i].name);
        b->devices[i] = mount_detached(path, 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
        if (b->devices[i] < 0)
            return cannot_open(path, err);
    }
    return 0;
}

/* In the sandbox's own network, every user may ping (with the kernel's sockets for that) and bind
 * to any port, as in Docker. */
static void add_settings(struct box *b, const struct local_sandbox *s)
{
    b->settings[0] = (struct box_setting){.name = "net/ipv4/ping_group_range"};
    snprintf(b->settings[0].value, sizeof(b->settings[0].value), "0 %u", s->ids.lines[0].count - 1);
    b->settings[1] = (struct box_setting){"net/ipv4/ip_unprivileged_port_start", "0"};
    b->setting_count = 2;
}

static int add_files(struct container *c, struct local_sandbox *s, lrun_error *err)
{
    struct box *b = &c->box;
    const char *names[CGROUP_SHOWN_MAX + 1];
    b->shows_cgroup = cgroup_show(s->cgroup, LOCAL_LIMITS, names);
    if (own_files_copy_agent(LOCAL_AGENT, err) < 0 || add_devices(b, err) < 0 ||
        (s->outbound && (backend_write_resolv_conf(s, err) < 0 ||
                         add_tree(b, LOCAL_RESOLV_CONF, "/etc/resolv.conf", err) < 0)) ||
        (b->shows_cgroup && add_tree(b, LOCAL_LIMITS, CONFINEMENT_CGROUP, err) < 0))
        return -1;
    /* /proc/1/exe leads to this mount, so nobody can write through it. */
    b->agent =
        mount_detached(LOCAL_AGENT, 0, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    if (b->agent < 0)
        return cannot_open(LOCAL_AGENT, err);
    b->root = mount_detached(LOCAL_ROOT, 0, 0);
    return b->root < 0 ? cannot_open(LOCAL_ROOT, err) : 0;
}

/* Without no_new_privs only a privileged process may install a filter, so the launcher does it. */
static int add_filter(struct container *c, const struct local_plan *p, lrun_error *err)
{
    struct box *b = &c->box;
    b->no_new_privileges = p->spec->no_new_privileges;
    if (b->no_new_privileges)
        return 0;
    if (filter_get(p->scratch_folder, FILTER_ALONE, &c->filter, &b->filter_length, err) < 0)
        return -1;
    b->filter = c->filter;
    return 0;
}

static int available(lrun_error *err)
{
    const char *call = box_missing_call();
    if (!call)
        return 0;
    error_set(err, LRUN_NOT_SUPPORTED, operation, "this kernel has no %s()", call);
    return error_hint(err, "install a kernel of 5.12 or later");
}

static int configure(struct local_plan *p, lrun_error *err)
{
    struct local_sandbox *s = p->sandbox;
    struct container *c = s->container = malloc(sizeof(*c));
    if (!c)
        return error_oom(err, operation);
    *c = (struct container){.null = -1};
    struct box *b = &c->box;
    box_init(b);
    b->user_namespace = s->user_namespace;
    b->network_namespace = s->network_namespace;
    b->loopback = !s->outbound;
    b->name = s->agent_target;
    b->hostname = s->id;
    b->no_tty_group = s->ids.lines[0].count <= 5;
    b->keeps_groups = rootless_active() && !rootless_has_ids();
    b->stdio[0] = s->stdio[0];
    b->stdio[1] = s->stdio[1];
    /* The agent has nothing to say there: what the supervisor reads as the launcher's text never
     * comes from a sandbox. */
    c->null = open(rootless_active() ? "/dev/null" : LOCAL_DEVICES "/null", O_WRONLY | O_CLOEXEC);
    if (c->null < 0)
        return cannot_open("/dev/null", err);
    b->stdio[2] = c->null;
    add_settings(b, s);
    id_map_text(&s->ids, s->id_text);
    s->base.id_map = s->id_text;
    if (add_filter(c, p, err) < 0 || add_files(c, s, err) < 0)
        return -1;
    return p->spec->gpus ? gpus_show(&c->gpus, b, &s->gpus, s->id, s->stdio[2], err) : 0;
}

/* In the child that keeps the sandbox: it is the first process of a PID namespace, so that nothing
 * in it outlives this process, and is killed when the supervisor dies. */
static _Noreturn void keep(const struct local_sandbox *s)
{
    int text = s->stdio[2];
    process_forget_environment();
    if ((cgroup_birthplace(s->cgroup) < 0 && cgroup_enter(s->cgroup) < 0) ||
        inherited_yield_memory() < 0) {
        dprintf(text, "cannot enter the cgroup: %s\n", strerrordesc_np(errno));
        _exit(127);
    }
    box_keep(&s->container->box, text);
}

static int start(struct local_sandbox *s, lrun_error *err)
{
    struct box *b = &s->container->box;
    cleanup_close int self = pidfd_open(getpid(), 0);
    b->parent = self;
    pid_t pid =
        self < 0 ? -1 : process_clone_into(&s->process, CLONE_NEWPID, cgroup_birthplace(s->cgroup));
    if (pid == 0)
        keep(s);
    if (pid < 0) {
        int failed = errno;
        error_errno(err, LRUN_START_FAILED, operation, failed, "cannot make the sandbox's process");
        return failed == EPERM ? error_hint(err, "run as root") : -1;
    }
    s->base.alive = s->process.pidfd;
    return 0;
}

static void close_container(struct local_sandbox *s)
{
    struct container *c = steal_ptr(s->container);
    if (!c)
        return;
    for (size_t i = 0; i < BOX_DEVICES; i++)
        cleanup_close_fd(&c->box.devices[i]);
    for (size_t i = 0; i < c->box.tree_count; i++)
        cleanup_close_fd(&c->box.trees[i].fd);
    cleanup_close_fd(&c->box.root);
    cleanup_close_fd(&c->box.agent);
    cleanup_close_fd(&c->null);
    gpus_free(c->gpus);
    free(c->filter);
    free(c);
}

static int start_and_close(struct local_sandbox *s, lrun_error *err)
{
    int failed = start(s, err);
    close_container(s);
    return failed;
}

const struct local_backend local_container = {
    .sees_devices = true,
    .keeps_root = true,
    .maps_high_ids = true,
    .always_namespaces = true,
    .early_network = true,
    .available = available,
    .open_channel = oci_open_channel,
    .begin_root = root_begin,
    .make_root = root_mount,
    .configure = configure,
    .start = start_and_close,
    .open_root = root_mount_for_commit,
    .close = close_container,
};
