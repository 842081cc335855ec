/* SPDX-License-Identifier: MIT */
/*
 * The local engine: no daemon. An EROFS image under an overlay whose upper layer is a file system
 * of the run's own, an OCI runtime started as the init of a PID namespace, one cgroup around it
 * all.
 *
 * What it makes, and who removes it when the supervisor is killed:
 *
 *     mounts, bundle, runtime state   in a tmpfs of the supervisor's mount namespace   the kernel
 *     scratch file system             a file without a name, an autoclear loop device  the kernel
 *     processes                       in the PID namespace of the runtime              the kernel
 *     pasta                           in a PID namespace of its own, the same way      the kernel
 *     cgroup light-runner/<id>        -                                                reap
 */
#include "base/cleanup.h"
#include "base/io.h"
#include "base/libexec.h"
#include "engine/engine.h"
#include "host/filter.h"
#include "host/mount.h"
#include "host/network.h"
#include "host/process.h"
#include "host/seccomp_profile.h"
#include "host/userns.h"
#include "tier/oci_bundle.h"
#include "tier/oci_runtime.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Made once on the host, and empty there: each supervisor mounts its own tmpfs over it. */
#define RUN_FOLDER "/run/light-runner"

static const char folder_bundle[] = RUN_FOLDER "/bundle";
static const char folder_state[] = RUN_FOLDER "/state";
static const char folder_image[] = RUN_FOLDER "/image";
static const char folder_scratch[] = RUN_FOLDER "/scratch";
static const char folder_upper[] = RUN_FOLDER "/scratch/upper";
static const char folder_work[] = RUN_FOLDER "/scratch/work";
static const char file_user_namespace[] = RUN_FOLDER "/userns";
static const char file_network_namespace[] = RUN_FOLDER "/netns";
static const char file_resolv_conf[] = RUN_FOLDER "/resolv.conf";
static const char folder_root[] = RUN_FOLDER "/root";

/* The smallest file system that mkfs.ext4 makes with room in it. */
#define DISK_MIN ((uint64_t)1 << 20)

enum { NETWORK_TIMEOUT_MS = 10000 };

struct local_sandbox {
    struct sandbox base; /* first: the engine's table is called with a pointer to it */
    char id[48];
    const struct tier_runtime *runtime;
    char *runtime_path;
    uint32_t first_id; /* host id of the sandbox's root */
    bool outbound;     /* it has a network */
    struct network network;
    uint64_t disk_bytes; /* of the run's storage, in whole MiB */
    char overlay[96];    /* a flag for gVisor: where it keeps what is written */
    bool allow_suid;
    int image_fd; /* -1: it has been mounted */
    struct cgroup *cgroup;
    struct process process;
};

static struct local_sandbox *local_of(struct sandbox *s)
{
    return (struct local_sandbox *)s;
}

/* The networks of this engine. The default goes by the name that it has on others. */
#define NETWORK_NAME_NONE    "none"
#define NETWORK_NAME_DEFAULT "light-runner-isolated"

/* "none" wins over whatever is named beside it. */
static bool wants_network(const struct request *r)
{
    for (char **n = r->networks; n && *n; n++)
        if (strcmp(*n, NETWORK_NAME_NONE) == 0)
            return false;
    return true;
}

/* What the contract has and this engine does not have yet is refused, never ignored. */
static int refuse_unsupported(const struct request *r, lr_error *err)
{
    static const char operation[] = "local.prepare";
    for (char **n = r->networks; n && *n; n++) {
        if (strcmp(*n, NETWORK_NAME_NONE) != 0 && strcmp(*n, NETWORK_NAME_DEFAULT) != 0) {
            error_set(err, LR_NOT_SUPPORTED, operation,
                      "networks: the local engine has no network named '%s'", *n);
            return error_hint(err,
                              "leave out --network for the default one, or use --network none");
        }
    }
    if (r->gpus) {
        error_set(err, LR_NOT_SUPPORTED, operation, "gpus are not in this version");
        return error_hint(err, "leave out --gpus");
    }
    if (r->run) {
        error_set(err, LR_NOT_SUPPORTED, operation, "setup steps are not in this version");
        return error_hint(err, "import an image in which they have been done");
    }
    if (r->detached) {
        error_set(err, LR_NOT_SUPPORTED, operation, "detached runs are not in this version");
        return error_hint(err, "leave out --detach");
    }
    if (r->disk_bytes < DISK_MIN)
        return error_set(err, LR_INVALID_ARGUMENT, operation, "disk: at least 1m is needed");
    return 0;
}

static int make_folders(lr_error *err)
{
    static const char *const folders[] = {folder_bundle, folder_state, folder_image, folder_scratch,
                                          folder_root};
    if (mkdir(RUN_FOLDER, 0700) < 0 && errno != EEXIST) {
        error_errno(err, LR_CONTAINER_START_FAILED, "local.prepare", errno, "cannot make '%s'",
                    RUN_FOLDER);
        return error_hint(err, "run as root");
    }
    /* Nobody on the host sees this tmpfs; the sandbox's own root has to pass through it. */
    if (mount_private_namespace(err) < 0 || mount_tmpfs(RUN_FOLDER, "mode=0711,size=64m", err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        if (mkdir(folders[i], 0755) < 0)
            return error_errno(err, LR_CONTAINER_START_FAILED, "local.prepare", errno,
                               "cannot make '%s'", folders[i]);
    return 0;
}

/*
 * gVisor reads the image's file and keeps what is written over it in one file of the storage, which it
 * caps by itself. The storage around that file is the wall behind: larger by what the file
 * system takes for itself, and by what may be freed and not yet be given back.
 */
static int mount_root_file(struct local_sandbox *s, int image_fd, const char *scratch_folder,
                           lr_error *err)
{
    uint64_t spare = s->disk_bytes / 8 / DISK_MIN * DISK_MIN + 16 * DISK_MIN;
    snprintf(s->overlay, sizeof(s->overlay), "--overlay2=root:dir=%s", folder_scratch);
    /* Above the number that it is to have in the runtime: dup2() onto itself would leave it to be
     * closed by exec. */
    s->image_fd = fcntl(image_fd, F_DUPFD_CLOEXEC, OCI_RUNTIME_IMAGE_FD + 1);
    if (s->image_fd < 0)
        return error_errno(err, LR_CONTAINER_START_FAILED, "local.prepare", errno,
                           "cannot keep the image's file open");
    return mount_scratch(scratch_folder, s->disk_bytes + spare, folder_scratch, err);
}

static int mount_root(struct local_sandbox *s, const struct request *r, int image_fd,
                      const char *scratch_folder, lr_error *err)
{
    /* Whole MiB: one template per size is kept, and there should not be one for every number. */
    s->disk_bytes = (r->disk_bytes + DISK_MIN - 1) / DISK_MIN * DISK_MIN;
    cleanup_close int user = -1, net = -1;
    s->first_id = userns_base(s->id);
    if (userns_open(&user, s->outbound ? &net : NULL, s->first_id, err) < 0 ||
        mount_namespace(user, file_user_namespace, err) < 0 ||
        (s->outbound && mount_namespace(net, file_network_namespace, err) < 0))
        return -1;
    if (s->runtime->is_gvisor)
        return mount_root_file(s, image_fd, scratch_folder, err);
    if (mount_erofs(image_fd, folder_image, err) < 0 ||
        mount_shift_owners(folder_image, user, err) < 0 ||
        mount_scratch(scratch_folder, s->disk_bytes, folder_scratch, err) < 0)
        return -1;
    struct stat st;
    if (stat(folder_image, &st) < 0 || mkdir(folder_upper, 0755) < 0 ||
        mkdir(folder_work, 0755) < 0 || chown(folder_upper, st.st_uid, st.st_gid) < 0 ||
        chmod(folder_upper, st.st_mode & 07777) < 0)
        return error_errno(err, LR_VOLUME_CREATE_FAILED, "volume.create", errno,
                           "cannot lay out the run's storage");
    return mount_overlay(folder_image, folder_upper, folder_work, folder_root, r->no_new_privileges,
                         err);
}

static int write_resolv_conf(lr_error *err)
{
    static const char text[] = "nameserver " NETWORK_RESOLVER "\n";
    cleanup_close int fd = open(file_resolv_conf, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0 || io_write_all(fd, text, sizeof(text) - 1, IO_NO_DEADLINE) < 0)
        return error_errno(err, LR_CONTAINER_START_FAILED, "local.prepare", errno,
                           "cannot write '%s'", file_resolv_conf);
    return 0;
}

static int write_bundle(struct local_sandbox *s, const struct request *r, lr_error *err)
{
    cleanup_free char *agent = libexec_find("light-runner-agent", err);
    if (!agent || (s->outbound && write_resolv_conf(err) < 0))
        return -1;
    char cgroup_path[96];
    snprintf(cgroup_path, sizeof(cgroup_path), "/%s/%s", CGROUP_PARENT, s->id);
    struct oci_bundle bundle = {
        .rootfs = folder_root,
        .hostname = s->id,
        .agent = agent,
        .kernel_log = s->base.tier->own_kernel,
        .no_new_privileges = r->no_new_privileges,
        .user_namespace = file_user_namespace,
        .first_id = s->first_id,
        .id_count = USERNS_SIZE,
        .network_namespace = s->outbound ? file_network_namespace : NULL,
        .resolv_conf = s->outbound ? file_resolv_conf : NULL,
        .cgroup_path = s->runtime->joins_cgroup ? cgroup_path : NULL,
        .seccomp_path = s->base.filter ? NULL : SECCOMP_PROFILE,
    };
    if (s->runtime->is_gvisor) {
        /* A program of several threads, as it is, cannot join one. */
        bundle.user_namespace = NULL;
        bundle.image = OCI_RUNTIME_IMAGE;
        bundle.upper = folder_scratch;
        bundle.upper_bytes = s->disk_bytes;
    }
    return oci_bundle_write(&bundle, folder_bundle, err);
}

/* With less the sandbox ends before it can say why. */
static int check_memory(const struct local_sandbox *s, const struct request *r, lr_error *err)
{
    if (r->memory_bytes >= s->runtime->memory_min)
        return 0;
    error_set(err, LR_INVALID_ARGUMENT, "local.prepare",
              "memory: the tier '%s' needs %u MiB at least, for its own kernel", s->base.tier->name,
              (unsigned)(s->runtime->memory_min >> 20));
    return error_hint(err, "raise it: --memory 512m");
}

static int prepare_steps(struct local_sandbox *s, const struct request *r, lr_error *err)
{
    if (refuse_unsupported(r, err) < 0 || tier_find(&s->base.tier, r->runtime, err) < 0 ||
        tier_find_runtime(s->base.tier, &s->runtime, &s->runtime_path, err) < 0 ||
        check_memory(s, r, err) < 0)
        return -1;
    struct store *store = NULL;
    if (store_open(&store, false, err) < 0)
        return -1;
    cleanup_close int image_fd = -1;
    cleanup_free char *scratch_folder = NULL;
    int failed = store_resolve(store, r->image, &s->base.image, &image_fd, err);
    if (!failed)
        failed = store_scratch_folder(store, &scratch_folder, err);
    store_close(store);
    struct cgroup_limits limits = {
        .memory_bytes = r->memory_bytes,
        .cpus = r->cpus,
        .pids = OCI_BUNDLE_PIDS + s->runtime->pids,
    };
    /* Without no_new_privs only a privileged process may put on a filter: there the runtime does, unless
     * the agent is one, in a kernel of its own. */
    if (!failed && (r->no_new_privileges || s->base.tier->own_kernel))
        failed = filter_get(scratch_folder, &s->base.filter, &s->base.filter_length, err);
    /* Its log tells which kernel it is, and nothing of the host. */
    if (!failed && s->base.filter && s->base.tier->own_kernel)
        failed = filter_allow(&s->base.filter, &s->base.filter_length, SYS_syslog, err);
    if (failed || make_folders(err) < 0 || mount_root(s, r, image_fd, scratch_folder, err) < 0 ||
        write_bundle(s, r, err) < 0)
        return -1;
    return cgroup_create(&s->cgroup, CGROUP_ROOT, s->id, &limits, err);
}

static void local_destroy(struct sandbox *base);

static int local_prepare(struct sandbox **out, const char *id, const struct request *r,
                         lr_error *err)
{
    struct local_sandbox *s = calloc(1, sizeof(*s));
    if (!s)
        return error_oom(err, "local.prepare");
    s->base = (struct sandbox){
        .engine = &engine_local,
        .to_agent = -1,
        .from_agent = -1,
        .runtime_text = -1,
        .alive = -1,
        .network = -1,
        .network_lost = -1,
    };
    s->process.pidfd = s->image_fd = -1;
    s->network = NETWORK_NONE;
    s->outbound = wants_network(r);
    s->allow_suid = !r->no_new_privileges;
    snprintf(s->id, sizeof(s->id), "%s", id);
    if (prepare_steps(s, r, err) < 0) {
        local_destroy(&s->base);
        return -1;
    }
    *out = &s->base;
    return 0;
}

/* gVisor's network stack takes over what the interface is like when it starts. */
static int await_network(struct local_sandbox *s, lr_error *err)
{
    struct pollfd fds[2] = {{.fd = s->network.ready, .events = POLLIN},
                            {.fd = s->network.keeper.pidfd, .events = POLLIN}};
    int64_t deadline = clock_ms() + NETWORK_TIMEOUT_MS;
    int n;
    do
        n = poll(fds, 2, io_poll_timeout(deadline));
    while ((n < 0 && errno == EINTR) || (n == 0 && clock_ms() < deadline));
    if (fds[0].revents & POLLIN)
        return 0;
    error_set(err, LR_CONTAINER_START_FAILED, "network.start",
              "the sandbox's network did not come up");
    return error_hint(err, "see what works here: light-runner doctor; or run with --network none");
}

/* It comes up while the runtime does, unless that has to find it there. */
static int start_runtime(struct local_sandbox *s, const struct oci_runtime_launch *launch,
                         lr_error *err)
{
    bool first = s->runtime->is_gvisor;
    if (!first && oci_runtime_start(&s->process, launch, err) < 0)
        return -1;
    if (s->outbound && network_start(&s->network, file_user_namespace, file_network_namespace,
                                     RUN_FOLDER, launch->stdio[2], err) < 0)
        return -1;
    if (!first)
        return 0;
    if (s->outbound && await_network(s, err) < 0)
        return -1;
    return oci_runtime_start(&s->process, launch, err);
}

static int local_start(struct sandbox *base, lr_error *err)
{
    struct local_sandbox *s = local_of(base);
    int pipes[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
    for (int i = 0; i < 3; i++)
        if (pipe2(pipes[i], O_CLOEXEC) < 0)
            error_errno(err, LR_CONTAINER_START_FAILED, "local.start", errno, "cannot make a pipe");
    /* Fewer, larger reads for the bulk streams; it is only a wish, so failure does not matter. */
    fcntl(pipes[0][1], F_SETPIPE_SZ, 1 << 20);
    fcntl(pipes[1][1], F_SETPIPE_SZ, 1 << 20);
    base->to_agent = pipes[0][1];
    base->from_agent = pipes[1][0];
    base->runtime_text = pipes[2][0];
    struct oci_runtime_launch launch = {
        .runtime = s->runtime,
        .path = s->runtime_path,
        .root = folder_state,
        .bundle = folder_bundle,
        .id = s->id,
        .cgroup = s->cgroup,
        .stdio = {pipes[0][0], pipes[1][1], pipes[2][1]},
        .image = s->image_fd,
    };
    if (s->runtime->is_gvisor) {
        base->pids = OCI_BUNDLE_PIDS;
        size_t n = 0;
        launch.flags[n++] = s->overlay;
        launch.flags[n++] = s->outbound ? "--network=sandbox" : "--network=none";
        if (s->allow_suid)
            launch.flags[n++] = "--allow-suid";
    }
    bool complete = launch.stdio[0] >= 0 && launch.stdio[1] >= 0 && launch.stdio[2] >= 0;
    int failed = complete ? start_runtime(s, &launch, err) : -1;
    for (int i = 0; i < 3; i++)
        cleanup_close_fd(&launch.stdio[i]);
    base->alive = s->process.pidfd;
    if (!s->runtime->is_gvisor) {
        base->network = s->network.ready;
        base->network_lost = s->network.keeper.pidfd;
    }
    return failed;
}

static void local_kill(struct sandbox *base)
{
    process_kill(&local_of(base)->process);
}

static int local_finish(struct sandbox *base, struct cgroup_usage *usage, lr_error *err)
{
    struct local_sandbox *s = local_of(base);
    struct process_status status;
    if (s->process.pidfd >= 0 && process_wait(&s->process, clock_ms() + 30000, &status) < 0)
        return error_errno(err, LR_INTERNAL, "local.finish", errno, "the sandbox does not die");
    base->alive = -1;
    cgroup_read_usage(s->cgroup, usage);
    return 0;
}

static void local_destroy(struct sandbox *base)
{
    if (!base)
        return;
    struct local_sandbox *s = local_of(base);
    network_stop(&s->network);
    process_destroy(&s->process);
    cleanup_close_fd(&base->to_agent);
    cleanup_close_fd(&base->from_agent);
    cleanup_close_fd(&base->runtime_text);
    cleanup_close_fd(&s->image_fd);
    cgroup_destroy(s->cgroup);
    image_free(&base->image);
    free(base->filter);
    free(s->runtime_path);
    free(s);
}

const struct engine engine_local = {
    .name = "local",
    .prepare = local_prepare,
    .start = local_start,
    .kill = local_kill,
    .finish = local_finish,
    .destroy = local_destroy,
};
