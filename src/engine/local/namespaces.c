/* SPDX-License-Identifier: MIT */
#include "engine/local/namespaces.h"

#include "base/cleanup.h"
#include "host/id_range.h"
#include "host/mount.h"
#include "host/rootless.h"

#include <sys/resource.h>

static const char operation[] = "local.prepare";

/* The supervisor, pasta, pasta's keeper, and short-lived helpers. */
enum { OWN_PROCESSES = 8 };

/*
 * Without root, the supervisor's user namespace belongs to this run alone, so the kernel's count of
 * its user's processes is a count of the run's processes. Processes in nested namespaces are
 * included, whatever id they have there.
 */
int namespaces_limit_processes(struct local_plan *p, lrun_error *err)
{
    struct rlimit now;
    rlim_t most = p->limits.pids + OWN_PROCESSES;
    if (!rootless_active())
        return 0;
    if (getrlimit(RLIMIT_NPROC, &now) == 0 && now.rlim_max < most)
        most = now.rlim_max;
    now = (struct rlimit){most, most};
    return setrlimit(RLIMIT_NPROC, &now) < 0 ? error_errno(err, LRUN_START_FAILED, operation, errno,
                                                           "cannot limit the number of processes")
                                             : 0;
}

/* Does nothing for a user other than root, who has no ids for this. */
static int add_high_ids(struct local_sandbox *s, lrun_error *err)
{
    const struct image *image = &s->base.image;
    uint32_t outside;
    if (rootless_active() || !s->backend->maps_high_ids ||
        !id_map_is_needed(image->high_ids, image->user))
        return 0;
    if (id_range_take(&s->high_lock, &outside, ID_RANGE_FOLDER, id_range_ask, err) < 0)
        return -1;
    return id_map_add(&s->ids, image->high_ids, image->user, outside)
               ? 0
               : error_set(err, LRUN_IO_FAILED, operation,
                           "the image index is corrupt: the ids of '%s'", image->name);
}

static bool needs_namespaces(const struct local_sandbox *s)
{
    return s->backend->always_namespaces || s->outbound;
}

/* The kernel takes a millisecond to make a network namespace. Begun here, it is made while the
 * supervisor makes something else. */
static bool needs_network_namespace(const struct local_sandbox *s)
{
    return s->backend->early_network || s->outbound;
}

int namespaces_begin(struct local_plan *p, lrun_error *err)
{
    struct local_sandbox *s = p->sandbox;
    uint32_t host_first, count = ID_RANGE_SIZE;
    if (rootless_active())
        rootless_sandbox_ids(&s->first_id, &count, &host_first);
    else if (id_range_take(&s->id_lock, &s->first_id, ID_RANGE_FOLDER, id_range_ask, err) < 0)
        return -1;
    id_map_init(&s->ids, s->first_id, count);
    if (add_high_ids(s, err) < 0)
        return -1;
    return needs_namespaces(s)
               ? userns_begin(&s->birth, s->first_id, needs_network_namespace(s), err)
               : 0;
}

int namespaces_finish(struct local_plan *p, lrun_error *err)
{
    struct local_sandbox *s = p->sandbox;
    if (!needs_namespaces(s))
        return 0;
    if (userns_finish(&s->birth, &s->user_namespace,
                      needs_network_namespace(s) ? &s->network_namespace : NULL, &s->ids,
                      err) < 0 ||
        mount_namespace(s->user_namespace, LOCAL_USER_NAMESPACE, err) < 0)
        return -1;
    if (!s->outbound)
        return 0;
    const struct network_launch launch = {
        .user_namespace = LOCAL_USER_NAMESPACE,
        .network_namespace = LOCAL_NETWORK_NAMESPACE,
        .folder = LOCAL_FOLDER,
        .cgroup = s->cgroup,
        .text = s->stdio[2],
        .egress = p->spec->allow_egress,
        .names = &s->names,
    };
    if (mount_namespace(s->network_namespace, LOCAL_NETWORK_NAMESPACE, err) < 0 ||
        network_start(&s->network, &launch, err) < 0)
        return -1;
    s->base.network = s->network.ready;
    s->base.network_lost = s->network.keeper.pidfd;
    return 0;
}
