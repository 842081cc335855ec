/* SPDX-License-Identifier: MIT */
#include "engine/local/root.h"

#include "base/cleanup.h"
#include "engine/local/mount_points.h"
#include "host/mount.h"
#include "host/rootless.h"
#include "image/unpacked.h"

#include <sys/mount.h>
#include <sys/stat.h>

static const char folder_upper[] = LOCAL_SCRATCH "/upper";
static const char folder_work[] = LOCAL_SCRATCH "/work";
static const char folder_commit_work[] = LOCAL_SCRATCH "/commit-work";

/* The mount points are those of mount_points_make(). The overlay uses an `index` that exists, but it
 * removes an existing `work` and makes another. */
static const struct scratch_layout layout = {
    .name = "root",
    .folders =
        {
            {"upper", 0755},
            {"upper/dev", 0755},
            {"upper/proc", 0555},
            {"upper/sys", 0555},
            {"work", 0755},
            {"work/index", 0},
        },
};

static int mount_image(struct local_plan *p, lrun_error *err)
{
    struct local_sandbox *s = p->sandbox;
    if (!rootless_active())
        return mount_erofs(p->image, LOCAL_IMAGE, err) < 0 ||
                       mount_shift_owners(LOCAL_IMAGE, s->user_namespace, err) < 0
                   ? -1
                   : 0;
    struct unpacked_owner owner = {
        .user_namespace = s->user_namespace,
        .first_id = s->first_id,
        .tick = p->tick->ask,
        .user = p->tick->user,
    };
    uint32_t first, count;
    rootless_sandbox_ids(&first, &count, &owner.host_id);
    owner.many = count > 1;
    return unpacked_open(&s->unpacked, p->store, s->base.image.digest, p->image, &owner, err) < 0 ||
                   mount_folder(s->unpacked, LOCAL_IMAGE, err) < 0
               ? -1
               : 0;
}

/* The overlay must not be mounted while its mount points are made or removed in `upper`. */
static struct mount_points mount_points_of(const struct local_sandbox *s)
{
    return (struct mount_points){.image = LOCAL_IMAGE,
                                 .upper = folder_upper,
                                 .owner = s->first_id,
                                 .agent = s->backend->names_agent ? s->agent_target : NULL,
                                 .resolv_conf = s->outbound};
}

static struct scratch_spec storage_of(const struct local_plan *p)
{
    return (struct scratch_spec){p->scratch_folder, p->sandbox->disk_bytes, &layout};
}

int root_begin(struct local_plan *p, lrun_error *err)
{
    const struct scratch_spec storage = storage_of(p);
    return rootless_active() ? 0 : scratch_begin(&p->sandbox->scratch_birth, &storage, err);
}

static int mount_storage(struct local_plan *p, lrun_error *err)
{
    struct local_sandbox *s = p->sandbox;
    const struct scratch_spec storage = storage_of(p);
    return rootless_active()
               ? scratch_mount_memory(s->disk_bytes, LOCAL_SCRATCH, err)
               : scratch_finish(&s->scratch_birth, &storage, LOCAL_SCRATCH, &s->scratch, err);
}

int root_mount(struct local_plan *p, lrun_error *err)
{
    struct local_sandbox *s = p->sandbox;
    if (mount_image(p, err) < 0 || mount_storage(p, err) < 0)
        return -1;
    struct stat st;
    if (stat(LOCAL_IMAGE, &st) < 0 ||
        (rootless_active() && (mkdir(folder_upper, 0755) < 0 || mkdir(folder_work, 0755) < 0)) ||
        chown(folder_upper, st.st_uid, st.st_gid) < 0 ||
        chmod(folder_upper, st.st_mode & 07777) < 0)
        return error_errno(err, LRUN_STORAGE_FAILED, "volume.create", errno,
                           "cannot lay out the run's storage");
    const struct mount_points points = mount_points_of(s);
    if (mount_points_make(&points, err) < 0)
        return -1;
    return mount_overlay(LOCAL_IMAGE, folder_upper, folder_work, LOCAL_ROOT,
                         p->spec->no_new_privileges, err);
}

/* The root is still mounted, but the runtime's mounts in it have gone with the runtime's namespace.
 * An overlay without syncs requires a fresh work folder for each mount. */
int root_mount_for_commit(const struct local_sandbox *s, lrun_error *err)
{
    const struct mount_points points = mount_points_of(s);
    if (umount2(LOCAL_ROOT, 0) < 0)
        return error_errno(err, LRUN_IO_FAILED, "local.commit", errno,
                           "cannot unmount the sandbox's root");
    if (mount_points_remove(&points, err) < 0)
        return -1;
    if (mkdir(folder_commit_work, 0755) < 0)
        return error_errno(err, LRUN_IO_FAILED, "local.commit", errno, "cannot make '%s'",
                           folder_commit_work);
    if (mount_overlay_move_index(folder_work, folder_commit_work, err) < 0)
        return -1;
    return mount_overlay(LOCAL_IMAGE, folder_upper, folder_commit_work, LOCAL_ROOT, true, err);
}
