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
#include "engine/local/local.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "engine/engine.h"
#include "engine/local/images.h"
#include "engine/local/mount_points.h"
#include "engine/local/own_files.h"
#include "engine/local/vm.h"
#include "host/delegation.h"
#include "host/egress.h"
#include "host/filter.h"
#include "host/id_range.h"
#include "host/inherited.h"
#include "host/mount.h"
#include "host/network.h"
#include "host/process.h"
#include "host/rootless.h"
#include "host/seccomp_profile.h"
#include "host/userns.h"
#include "image/assemble.h"
#include "image/unpacked.h"
#include "tier/oci_bundle.h"
#include "tier/oci_runtime.h"
#include "wire/guest.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

static const char folder_bundle[] = LOCAL_FOLDER "/bundle";
static const char file_config[] = LOCAL_FOLDER "/bundle/config.json";
static const char folder_state[] = LOCAL_FOLDER "/state";
static const char folder_image[] = LOCAL_FOLDER "/image";
static const char folder_scratch[] = LOCAL_FOLDER "/scratch";
static const char folder_upper[] = LOCAL_FOLDER "/scratch/upper";
static const char folder_work[] = LOCAL_FOLDER "/scratch/work";
static const char folder_commit_work[] = LOCAL_FOLDER "/scratch/commit-work";
static const char file_agent[] = LOCAL_FOLDER "/agent";
static const char file_user_namespace[] = LOCAL_FOLDER "/userns";
static const char folder_devices[] = LOCAL_FOLDER "/devices";
static const char folder_limits[] = LOCAL_FOLDER "/limits";

/* The bits of a request mean the same. */
_Static_assert((int)REQUEST_UNENFORCED_MEMORY == (int)CGROUP_MEMORY &&
                   (int)REQUEST_UNENFORCED_CPUS == (int)CGROUP_CPUS &&
                   (int)REQUEST_UNENFORCED_PIDS == (int)CGROUP_PIDS,
               "the limits' bits");
_Static_assert((int)REQUEST_EGRESS_HOST == (int)EGRESS_HOST &&
                   (int)REQUEST_EGRESS_METADATA == (int)EGRESS_METADATA,
               "the bits of addresses");

/* The supervisor, pasta and what starts it, and helpers for a moment. */
enum { OWN_PROCESSES = 8 };

/* ms, for the runtime to read its configuration. */
enum { CONFIG_TIMEOUT = 30000 };
enum { NETWORK_TIMEOUT_MS = 10000 };

/* What the contract has and this engine does not have yet is refused, never ignored. */
static int refuse_unsupported(const struct request *r, lrun_error *err)
{
    static const char operation[] = "local.prepare";
    for (char **n = r->networks; n && *n; n++) {
        if (strcmp(*n, ENGINE_NETWORK_NONE) != 0 && strcmp(*n, ENGINE_NETWORK_DEFAULT) != 0) {
            error_set(err, LRUN_NOT_SUPPORTED, operation,
                      "networks: the local engine has no network named '%s'", *n);
            return error_hint(err,
                              "leave out --network for the default one, or use --network none");
        }
    }
    if (r->gpus && geteuid() != 0) {
        error_set(err, LRUN_NOT_SUPPORTED, operation, "options.gpus: device nodes take root");
        return error_hint(err, "leave out --gpus, or run as root");
    }
    if (r->disk_bytes < LOCAL_DISK_MIN)
        return error_set(err, LRUN_INVALID_ARGUMENT, operation, "disk: at least 1m is needed");
    return 0;
}

static int make_folders(lrun_error *err)
{
    static const char *const folders[] = {folder_bundle,  folder_state, folder_image,
                                          folder_scratch, LOCAL_ROOT,   folder_devices,
                                          folder_limits};
    /* Nobody on the host sees this tmpfs; the sandbox's own root has to pass through it. With large pages it takes the
     * agent in a third of the time; a kernel without them does not know the word. */
    if (mount_private_namespace(err) < 0 ||
        (mount_tmpfs(LOCAL_FOLDER, "mode=0711,size=64m,huge=within_size", NULL) < 0 &&
         mount_tmpfs(LOCAL_FOLDER, "mode=0711,size=64m", err) < 0) ||
        mount_share(LOCAL_FOLDER, err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        if (mkdir(folders[i], 0755) < 0)
            return error_errno(err, LRUN_START_FAILED, "local.prepare", errno, "cannot make '%s'",
                               folders[i]);
    /* In a user namespace there are no device nodes but the host's. */
    if (rootless_active())
        return 0;
    return mount_devices(folder_devices, err) < 0 ? -1
                                                  : own_files_make_devices(folder_devices, err);
}

/* Of the process, which makes one sandbox. */
static struct {
    int (*tick)(void *user);
    void *user;
} watcher;

static void local_watch(int (*tick)(void *user), void *user)
{
    watcher.tick = tick;
    watcher.user = user;
}

static int mount_image(struct local_sandbox *s, struct store *store, int image_fd, lrun_error *err)
{
    if (!rootless_active())
        return mount_erofs(image_fd, folder_image, err) < 0 ||
                       mount_shift_owners(folder_image, s->user_namespace, err) < 0
                   ? -1
                   : 0;
    struct unpacked_owner owner = {
        .user_namespace = s->user_namespace,
        .first_id = s->first_id,
        .tick = watcher.tick,
        .user = watcher.user,
    };
    uint32_t first, count;
    rootless_sandbox_ids(&first, &count, &owner.host_id);
    owner.many = count > 1;
    return unpacked_open(&s->unpacked, store, s->base.image.digest, image_fd, &owner, err) < 0 ||
                   mount_folder(s->unpacked, folder_image, err) < 0
               ? -1
               : 0;
}

/*
 * Without root the supervisor's namespace is of this run alone, so the kernel's count of its user's
 * processes is one of the run. It counts in the namespaces below as well, whatever id they go by there.
 */
static int limit_processes(const struct cgroup_limits *limits, lrun_error *err)
{
    struct rlimit now;
    rlim_t most = limits->pids + OWN_PROCESSES;
    if (!rootless_active())
        return 0;
    if (getrlimit(RLIMIT_NPROC, &now) == 0 && now.rlim_max < most)
        most = now.rlim_max;
    now = (struct rlimit){most, most};
    return setrlimit(RLIMIT_NPROC, &now) < 0
               ? error_errno(err, LRUN_START_FAILED, "local.prepare", errno,
                             "cannot limit the number of processes")
               : 0;
}

/* Of a user other than root there are no more ids to be had; gVisor and a guest have all of them. */
static int add_high_ids(struct local_sandbox *s, lrun_error *err)
{
    const struct image *image = &s->base.image;
    uint32_t outside;
    if (rootless_active() || s->base.tier->own_kernel ||
        !id_map_is_needed(image->high_ids, image->user))
        return 0;
    if (id_range_take(&s->high_lock, &outside, ID_RANGE_FOLDER, id_range_ask, err) < 0)
        return -1;
    return id_map_add(&s->ids, image->high_ids, image->user, outside)
               ? 0
               : error_set(err, LRUN_IO_FAILED, "local.prepare",
                           "the image index is corrupt: the ids of '%s'", image->name);
}

/* Its ids, and with them its namespaces: a child makes them while this process goes on. A limit on processes that is to hold
 * in a user namespace is there before. */
static int begin_namespaces(struct local_sandbox *s, lrun_error *err)
{
    uint32_t host_first, count = ID_RANGE_SIZE;
    if (rootless_active())
        rootless_sandbox_ids(&s->first_id, &count, &host_first);
    else if (id_range_take(&s->id_lock, &s->first_id, ID_RANGE_FOLDER, id_range_ask, err) < 0)
        return -1;
    id_map_init(&s->ids, s->first_id, count);
    if (add_high_ids(s, err) < 0)
        return -1;
    /* A guest has namespaces of its own. */
    return s->base.tier->is_guest && !s->outbound
               ? 0
               : userns_begin(&s->birth, s->first_id, s->outbound, err);
}

/* The user namespace, and the network, which takes longest to come up. */
static int make_namespaces(struct local_sandbox *s, const struct request *r, lrun_error *err)
{
    cleanup_close int net = -1;
    if (userns_finish(&s->birth, &s->user_namespace, &net, &s->ids, err) < 0 ||
        mount_namespace(s->user_namespace, file_user_namespace, err) < 0)
        return -1;
    if (!s->outbound)
        return 0;
    const struct network_launch launch = {
        .user_namespace = file_user_namespace,
        .network_namespace = LOCAL_NETWORK_NAMESPACE,
        .folder = LOCAL_FOLDER,
        .cgroup = s->cgroup,
        .text = s->stdio[2],
        .egress = r->allow_egress,
        .names = &s->names,
    };
    if (mount_namespace(net, LOCAL_NETWORK_NAMESPACE, err) < 0 ||
        network_start(&s->network, &launch, err) < 0)
        return -1;
    s->base.network = s->network.ready;
    s->base.network_lost = s->network.keeper.pidfd;
    return 0;
}

/*
 * gVisor reads the image's file and keeps what is written over it in one file of the storage, which it
 * caps by itself. The storage around that file is the wall behind: larger by what the file
 * system takes for itself, and by what may be freed and not yet be given back.
 */
static int mount_root_file(struct local_sandbox *s, int image_fd, const char *scratch_folder,
                           lrun_error *err)
{
    uint64_t spare = s->disk_bytes / 8 / LOCAL_DISK_MIN * LOCAL_DISK_MIN + 16 * LOCAL_DISK_MIN;
    snprintf(s->overlay, sizeof(s->overlay), "--overlay2=root:dir=%s", folder_scratch);
    /* Above the number that it is to have in the runtime: dup2() onto itself would leave it to be
     * closed by exec. */
    s->image_fd = fcntl(image_fd, F_DUPFD_CLOEXEC, OCI_RUNTIME_IMAGE_FD + 1);
    if (s->image_fd < 0)
        return error_errno(err, LRUN_START_FAILED, "local.prepare", errno,
                           "cannot keep the image's file open");
    return mount_scratch(scratch_folder, s->disk_bytes + spare, folder_scratch, &s->scratch, err);
}

/* `upper` must not be mounted when they are made or removed. */
static struct mount_points mount_points_of(const struct local_sandbox *s)
{
    return (struct mount_points){.image = folder_image,
                                 .upper = folder_upper,
                                 .owner = s->first_id,
                                 .agent = s->agent_target,
                                 .resolv_conf = s->outbound};
}

static int mount_root(struct local_sandbox *s, const struct request *r, struct store *store,
                      int image_fd, const char *scratch_folder, lrun_error *err)
{
    if (s->base.tier->is_gvisor)
        return mount_root_file(s, image_fd, scratch_folder, err);
    if (mount_image(s, store, image_fd, err) < 0 ||
        (rootless_active()
             ? mount_scratch_memory(s->disk_bytes, folder_scratch, err)
             : mount_scratch(scratch_folder, s->disk_bytes, folder_scratch, &s->scratch, err)) < 0)
        return -1;
    struct stat st;
    if (stat(folder_image, &st) < 0 || mkdir(folder_upper, 0755) < 0 ||
        mkdir(folder_work, 0755) < 0 || chown(folder_upper, st.st_uid, st.st_gid) < 0 ||
        chmod(folder_upper, st.st_mode & 07777) < 0)
        return error_errno(err, LRUN_STORAGE_FAILED, "volume.create", errno,
                           "cannot lay out the run's storage");
    const struct mount_points points = mount_points_of(s);
    if (mount_points_make(&points, err) < 0)
        return -1;
    return mount_overlay(folder_image, folder_upper, folder_work, LOCAL_ROOT, r->no_new_privileges,
                         err);
}

/* Before anything is made: what is wrong with a choice of GPUs is wrong from the start. */
static int find_gpus(struct local_sandbox *s, const struct request *r, lrun_error *err)
{
    if (!r->gpus)
        return 0;
    if (s->base.tier->own_kernel) {
        error_set(err, LRUN_NOT_SUPPORTED, "local.prepare",
                  "gpus: the host's devices are not in reach of the tier '%s'", s->base.tier->name);
        return error_hint(err, "use --runtime runc, or leave out --gpus");
    }
    int failed = cdi_edits_for(&s->gpus, r->gpus, err);
    s->base.env = s->gpus.env;
    return failed;
}

static int make_gpu_nodes(struct local_sandbox *s, lrun_error *err)
{
    return json_object_size(s->gpus.nodes) == 0
               ? 0
               : cdi_edits_make_nodes(&s->gpus, folder_devices, err);
}

static int write_resolv_conf(const struct local_sandbox *s, lrun_error *err)
{
    char text[RESOLVER_TEXT_MAX];
    size_t length = resolver_text(text, &s->names);
    cleanup_close int fd = open(LOCAL_RESOLV_CONF, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0 || io_write_all(fd, text, length, IO_NO_DEADLINE) < 0)
        return error_errno(err, LRUN_START_FAILED, "local.prepare", errno, "cannot write '%s'",
                           LOCAL_RESOLV_CONF);
    return 0;
}

/*
 * The sandbox's first process has an id of the run, in a user namespace that the run's id owns. A runtime that sets its limits
 * from outside needs CAP_SYS_RESOURCE for that, which root lacks in containers and on some machines.
 */
static bool starts_limited(const struct local_sandbox *s)
{
    return s->runtime->sets_limits_of_others && !inherited_may_limit_others();
}

static int make_config(struct local_sandbox *s, const struct request *r, lrun_error *err)
{
    if (own_files_copy_agent(file_agent, err) < 0 || (s->outbound && write_resolv_conf(s, err) < 0))
        return -1;
    /* gVisor has groups of its own, and the agent shows them. */
    const char *names[CGROUP_SHOWN_MAX + 1];
    bool shown = !s->base.tier->is_gvisor && cgroup_show(s->cgroup, folder_limits, names);
    char cgroup_path[96];
    snprintf(cgroup_path, sizeof(cgroup_path), "/%s/%s", CGROUP_PARENT, s->id);
    struct oci_bundle bundle = {
        .rootfs = LOCAL_ROOT,
        .hostname = s->id,
        .agent = file_agent,
        .agent_target = s->agent_target,
        .kernel_log = s->base.tier->own_kernel,
        .no_new_privileges = r->no_new_privileges,
        .user_namespace = file_user_namespace,
        .ids = &s->ids,
        .network_namespace = s->outbound ? LOCAL_NETWORK_NAMESPACE : NULL,
        .limits = shown ? folder_limits : NULL,
        .limit_names = s->runtime->binds_deep ? NULL : names,
        .resolv_conf = s->outbound && !s->base.tier->is_gvisor ? LOCAL_RESOLV_CONF : NULL,
        /* Without root runc makes one below ours, or none: it must not insist. */
        .cgroup_path = s->runtime->joins_cgroup && !rootless_active() ? cgroup_path : NULL,
        .keeps_limits = starts_limited(s),
        .seccomp_path = s->base.filter ? NULL : SECCOMP_PROFILE,
        .edits = r->gpus ? &s->gpus : NULL,
    };
    if (s->base.tier->is_gvisor) {
        /* A program of several threads, as it is, cannot join one. */
        bundle.user_namespace = NULL;
        bundle.image = OCI_RUNTIME_IMAGE;
        bundle.upper = folder_scratch;
        bundle.upper_bytes = s->disk_bytes;
    }
    if (bundle.user_namespace) {
        id_map_text(&s->ids, s->id_text);
        s->base.id_map = s->id_text;
    }
    s->config = oci_bundle_config(&bundle, err);
    return s->config ? 0 : -1;
}

static int make_pipes(struct local_sandbox *s, lrun_error *err)
{
    int pipes[3][2];
    for (int i = 0; i < 3; i++) {
        if (pipe2(pipes[i], O_CLOEXEC) < 0)
            return error_errno(err, LRUN_START_FAILED, "local.start", errno, "cannot make a pipe");
        s->stdio[i] = pipes[i][i != 0];
        int *ours[] = {&s->base.to_agent, &s->base.from_agent, &s->base.runtime_text};
        *ours[i] = pipes[i][i == 0];
    }
    /* Fewer, larger reads for the bulk streams; it is only a wish, so failure does not matter. */
    fcntl(s->base.to_agent, F_SETPIPE_SZ, 1 << 20);
    fcntl(s->base.from_agent, F_SETPIPE_SZ, 1 << 20);
    return 0;
}

/* `config`: what it reads its configuration from; -1: from its file. */
static int start_runtime(struct local_sandbox *s, int config, lrun_error *err)
{
    struct oci_runtime_launch launch = {
        .runtime = s->runtime,
        .path = s->runtime_path,
        .root = folder_state,
        .bundle = folder_bundle,
        .id = s->id,
        .cgroup = s->cgroup,
        .stdio = {s->stdio[0], s->stdio[1], s->stdio[2]},
        .limit = starts_limited(s),
        .config = config,
        .image = s->image_fd,
    };
    if (s->base.tier->is_gvisor) {
        size_t n = 0;
        launch.flags[n++] = s->overlay;
        launch.flags[n++] = s->outbound ? "--network=sandbox" : "--network=none";
        if (s->allow_suid)
            launch.flags[n++] = "--allow-suid";
    }
    if (oci_runtime_start(&s->process, &launch, err) < 0)
        return -1;
    s->base.alive = s->process.pidfd;
    return 0;
}

/* Hooks are told where config.json is, and read it: as the sandbox's root, who is nobody here. */
static bool has_hooks(const struct local_sandbox *s)
{
    return s->gpus.hooks && json_array_size(s->gpus.hooks) > 0;
}

static bool starts_early(const struct local_sandbox *s)
{
    return s->runtime->starts_early && !has_hooks(s);
}

/*
 * The runtime comes up while the mounts are made: it waits for its configuration, which is the last
 * that is made. Mounts below LOCAL_FOLDER are seen in its namespace as well.
 */
static int start_early(struct local_sandbox *s, lrun_error *err)
{
    int ends[2];
    if (symlink(OCI_RUNTIME_CONFIG, file_config) < 0 || pipe2(ends, O_CLOEXEC) < 0)
        return error_errno(err, LRUN_START_FAILED, "local.start", errno,
                           "cannot make the pipe for '%s'", file_config);
    cleanup_close int theirs = ends[0];
    s->config_pipe = ends[1];
    return start_runtime(s, theirs, err);
}

/* gVisor's network stack takes over what the interface is like when it starts. */
static int await_network(struct local_sandbox *s, lrun_error *err)
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
    error_set(err, LRUN_START_FAILED, "network.start", "the sandbox's network did not come up");
    return error_hint(err, "see what works here: light-runner doctor; or run with --network none");
}

/* From here on it runs. */
static int give_config(struct local_sandbox *s, lrun_error *err)
{
    bool early = s->config_pipe >= 0;
    cleanup_close int to = early ? steal_fd(&s->config_pipe)
                                 : open(file_config, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                                        has_hooks(s) ? 0644 : 0600);
    int64_t deadline = clock_ms() + CONFIG_TIMEOUT;
    if (to < 0 || (early && fcntl(to, F_SETFL, O_NONBLOCK) < 0) ||
        io_write_all(to, s->config, strlen(s->config), deadline) < 0) {
        int failed = errno;
        /* A runtime that has ended says on its stderr why; the supervisor makes that the error. */
        if (early && failed == EPIPE)
            return 0;
        return error_errno(err, LRUN_START_FAILED, "local.start", failed, "cannot write '%s'",
                           file_config);
    }
    if (early)
        return 0;
    if (s->base.tier->is_gvisor && s->outbound && await_network(s, err) < 0)
        return -1;
    return start_runtime(s, -1, err);
}

static int check_user(const struct tier *tier, lrun_error *err)
{
    if (!tier->own_kernel || geteuid() == 0)
        return 0;
    error_set(err, LRUN_NOT_SUPPORTED, "local.prepare",
              "the tier '%s' takes root on the local engine", tier->name);
    return error_hint(err,
                      "run it as root (sudo), or where Docker has the tier with --engine docker");
}

/* What the tier cannot do, and what it cannot do without. */
static int check_tier(const struct local_sandbox *s, const struct request *r, lrun_error *err)
{
    static const char operation[] = "local.prepare";
    if (tier_check_memory(s->base.tier, r->memory_bytes, err) < 0 ||
        check_user(s->base.tier, err) < 0)
        return -1;
    if (r->kvm_only && !s->base.tier->is_guest) {
        error_set(err, LRUN_NOT_SUPPORTED, operation,
                  "options.accelerator: the tier '%s' has no VM", s->base.tier->name);
        return error_hint(err, "leave out --accelerator, or use --runtime kata");
    }
    if (s->base.tier->is_guest && s->base.keep) {
        error_set(err, LRUN_NOT_SUPPORTED, operation, "setup: steps cannot be run in the tier '%s'",
                  s->base.tier->name);
        return error_hint(err, "use an image that has what is needed: light-runner image pull");
    }
    return 0;
}

/* A host that asks a server on its loopback is asked through pasta. */
static void find_names(struct local_sandbox *s, const struct request *r)
{
    resolver_find(&s->names, r->dns);
    if (s->names.host[0])
        strcpy(s->names.servers[s->names.count++], NETWORK_RESOLVER);
    /* In a kernel of the sandbox's own the agent writes them down. QEMU's network has a server for the guest, which asks those. */
    if (s->base.tier->is_gvisor)
        s->base.names = s->names;
    if (s->base.tier->is_guest && s->names.count > 0)
        s->base.names = (struct resolver){.count = 1, .servers = {GUEST_RESOLVER}};
}

static int prepare_steps(struct local_sandbox *s, const struct request *r, lrun_error *err)
{
    if (refuse_unsupported(r, err) < 0 || agent_name_make(s->agent_target, err) < 0 ||
        tier_find(&s->base.tier, r->runtime, err) < 0 ||
        tier_find_runtime(s->base.tier, &s->runtime, &s->runtime_path, err) < 0 ||
        check_tier(s, r, err) < 0 || find_gpus(s, r, err) < 0)
        return -1;
    /* Whole MiB: one template per size is kept, and there should not be one for every number. */
    s->disk_bytes = (r->disk_bytes + LOCAL_DISK_MIN - 1) / LOCAL_DISK_MIN * LOCAL_DISK_MIN;
    cleanup_store struct store *store = NULL;
    if (store_open(&store, false, err) < 0)
        return -1;
    cleanup_close int image_fd = -1;
    cleanup_free char *scratch_folder = NULL;
    int failed = store_resolve(store, r->image, &s->base.image, &image_fd, err);
    if (!failed)
        failed = store_scratch_folder(store, &scratch_folder, err);
    s->cpus = r->cpus;
    struct cgroup_limits limits = {
        .memory_bytes = r->memory_bytes,
        /* A guest's kernel starts at its own pace; local_running() sets the run's share. */
        .cpus = s->base.tier->is_guest && r->cpus < 1 ? 1 : r->cpus,
        .pids = r->pids + OCI_BUNDLE_OWN_PIDS + s->runtime->pids,
    };
    if (s->outbound) {
        /* What pasta takes is not taken from the run. */
        limits.memory_bytes += NETWORK_MEMORY;
        limits.pids += NETWORK_PIDS;
        find_names(s, r);
    }
    /* Without no_new_privs only a privileged process may put on a filter: there the runtime does, unless
     * the agent is one, in a kernel of its own. */
    if (!failed && (r->no_new_privileges || s->base.tier->own_kernel))
        failed =
            filter_get(scratch_folder, FILTER_ALONE, &s->base.filter, &s->base.filter_length, err);
    /* Its log tells which kernel it is, and nothing of the host. */
    if (!failed && s->base.filter && s->base.tier->is_gvisor)
        failed = filter_allow(&s->base.filter, &s->base.filter_length, SYS_syslog, err);
    /* What cannot be enforced is refused before anything is made. */
    if (failed || delegation_open(&s->cgroup_root, &limits.leave_out, r->allow_unenforced, err) < 0)
        return -1;
    s->base.unenforced = limits.leave_out & CGROUP_LIMITS;
    if (s->base.tier->is_guest)
        limits.memory_bytes += vm_memory(r) - r->memory_bytes + QEMU_HOST_OVERHEAD;
    if (rootless_enter(err) < 0 || limit_processes(&limits, err) < 0 ||
        begin_namespaces(s, err) < 0 ||
        (s->base.tier->is_guest ? vm_make_channel(s, err) : make_pipes(s, err)) < 0 ||
        make_folders(err) < 0 || cgroup_create(&s->cgroup, s->cgroup_root, s->id, &limits, err) < 0)
        return -1;
    if (s->base.tier->own_kernel)
        s->base.pids = r->pids + OCI_BUNDLE_OWN_PIDS;
    if (s->base.tier->is_guest)
        return (s->outbound && (make_namespaces(s, r, err) < 0 || write_resolv_conf(s, err) < 0)) ||
                       vm_prepare(s, r, image_fd, scratch_folder, err) < 0
                   ? -1
                   : 0;
    if (make_namespaces(s, r, err) < 0 || (starts_early(s) && start_early(s, err) < 0) ||
        mount_root(s, r, store, image_fd, scratch_folder, err) < 0 || make_gpu_nodes(s, err) < 0)
        return -1;
    return make_config(s, r, err);
}

static unsigned local_destroy(struct sandbox *base);

static int local_prepare(struct sandbox **out, const char *id, const struct request *r, bool keep,
                         lrun_error *err)
{
    struct local_sandbox *s = calloc(1, sizeof(*s));
    if (!s)
        return error_oom(err, "local.prepare");
    sandbox_init(&s->base, &engine_local, keep);
    struct utsname host;
    uname(&host);
    snprintf(s->base.host_release, sizeof(s->base.host_release), "%s", host.release);
    snprintf(s->base.host_version, sizeof(s->base.host_version), "%s", host.version);
    tier_host_boot(s->base.host_boot);
    s->process.pidfd = s->image_fd = -1;
    s->unpacked = -1;
    s->scratch = s->id_lock = s->high_lock = s->user_namespace = s->config_pipe = -1;
    s->stdio[0] = s->stdio[1] = s->stdio[2] = -1;
    s->network = NETWORK_NONE;
    s->vm = VM_NONE;
    s->birth = USERNS_BIRTH_NONE;
    s->outbound = !engine_without_network(r);
    s->allow_suid = !r->no_new_privileges;
    snprintf(s->id, sizeof(s->id), "%s", id);
    if (prepare_steps(s, r, err) < 0) {
        local_destroy(&s->base);
        return -1;
    }
    *out = &s->base;
    return 0;
}

static int local_start(struct sandbox *base, lrun_error *err)
{
    struct local_sandbox *s = local_of(base);
    int failed = base->tier->is_guest ? vm_start(s, err) : give_config(s, err);
    for (int i = 0; i < 3; i++)
        cleanup_close_fd(&s->stdio[i]);
    /* It has been waited for already. */
    if (s->base.tier->is_gvisor)
        base->network = base->network_lost = -1;
    return failed;
}

static void local_running(struct sandbox *base)
{
    struct local_sandbox *s = local_of(base);
    lrun_error ignored;
    if (!base->tier->is_guest)
        return;
    cgroup_read_usage(s->cgroup, &s->vm.before);
    if (s->cpus < 1 && cgroup_set_cpus(s->cgroup, s->cpus, &ignored) < 0)
        base->engine->kill(base);
}

static int local_cpu_used(const struct sandbox *base, uint64_t *us)
{
    const struct local_sandbox *s = (const struct local_sandbox *)base;
    return cgroup_read_cpu(s->cgroup, us);
}

static int freeze(struct local_sandbox *s, bool on, lrun_error *err)
{
    if (cgroup_freeze(s->cgroup, on) < 0) {
        int failed = errno;
        /* Half frozen it would neither go on nor die. */
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
    const struct oci_runtime_launch launch = {
        .runtime = s->runtime, .path = s->runtime_path, .root = folder_state, .id = s->id};
    return s->runtime->pauses_itself ? oci_runtime_pause(&s->process, &launch, on, err)
                                     : freeze(s, on, err);
}

static void local_kill(struct sandbox *base)
{
    struct local_sandbox *s = local_of(base);
    /* A guest has something to tell yet: what it has used. */
    if (!base->tier->is_guest || !vm_ask(s))
        process_kill(&s->process);
    /* The killed run no further, but frozen they do not die either (v1). */
    if (s->frozen)
        (void)cgroup_freeze(s->cgroup, false);
    s->frozen = false;
}

static int local_finish(struct sandbox *base, struct cgroup_usage *usage, lrun_error *err)
{
    struct local_sandbox *s = local_of(base);
    struct process_status status;
    struct cgroup_usage told = {0};
    /* pasta has to be gone before the cgroup can be removed, and that takes it some ms: beside the runtime. */
    network_stop(&s->network);
    if (base->tier->is_guest) {
        vm_listen(s, &told);
        process_kill(&s->process);
    }
    if (s->process.pidfd >= 0 && process_wait(&s->process, clock_ms() + 30000, &status) < 0)
        return error_errno(err, LRUN_INTERNAL, "local.finish", errno, "the sandbox does not die");
    base->alive = -1;
    cgroup_read_usage(s->cgroup, usage);
    if (base->tier->is_guest)
        vm_correct(&s->vm, &told, usage);
    return 0;
}

static int local_available(const char *name, lrun_error *err)
{
    const struct tier *tier;
    const struct tier_runtime *runtime;
    cleanup_free char *path = NULL;
    char release[65];
    return name && (tier_find(&tier, name, err) < 0 || check_user(tier, err) < 0 ||
                    tier_find_runtime(tier, &runtime, &path, err) < 0 ||
                    (tier->is_guest && guest_files_release(release, err) < 0))
               ? -1
               : 0;
}

/* The root is still mounted; what the runtime mounted in it went with its namespace. It is mounted anew, without the
 * mount points that were made for the runtime. An overlay without syncs wants a fresh folder to work in. */
static int mount_for_commit(const struct local_sandbox *s, lrun_error *err)
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
    return mount_overlay(folder_image, folder_upper, folder_commit_work, LOCAL_ROOT, true, err);
}

static int local_commit(struct sandbox *base, const char *name, lrun_error *err)
{
    const struct local_sandbox *s = local_of(base);
    cleanup_store struct store *store = NULL;
    cleanup_assembly struct assembly a = ASSEMBLY_NONE;
    cleanup_image struct image config = {0}, image = {0};
    const struct assembly_tree tree = {LOCAL_ROOT, s->user_namespace, s->first_id};
    if (mount_for_commit(s, err) < 0 || store_open(&store, true, err) < 0 ||
        assembly_begin(&a, store, NULL, err) < 0)
        return -1;
    /* What it is called and when it was made is what the new one has of its own. */
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
    cleanup_close_fd(&s->config_pipe);
    vm_close(&s->vm);
    free(s->config);
    cleanup_close_fd(&s->image_fd);
    cgroup_destroy(s->cgroup);
    free(s->cgroup_root);
    cleanup_close_fd(&s->unpacked);
    mount_scratch_discard(s->scratch);
    cleanup_close_fd(&s->scratch);
    cleanup_close_fd(&s->user_namespace);
    userns_abandon(&s->birth);
    cleanup_close_fd(&s->id_lock);
    cleanup_close_fd(&s->high_lock);
    cdi_edits_free(&s->gpus);
    sandbox_close(base);
    free(s->runtime_path);
    free(s);
    return 0;
}

static int local_reap(int64_t min_age_ms, struct engine_reaped *out, lrun_error *err)
{
    cleanup_store struct store *store = NULL;
    cleanup_free char *root = delegation_root();
    out->containers += root ? cgroup_reap(root, min_age_ms) : 0;
    /* A run's volume is a file without a name: there is none that could be left. */
    return store_open(&store, false, err) < 0 ? -1 : store_sweep(store, err);
}

static int local_network(enum engine_network_action action, const char *name, unsigned *count,
                         lrun_error *err)
{
    (void)action;
    (void)name;
    (void)count;
    error_set(err, LRUN_NOT_SUPPORTED, "local.network",
              "the local engine has no networks of its own");
    return error_hint(err, "use --engine docker");
}

const struct engine engine_local = {
    .name = "local",
    .available = local_available,
    .find_image = local_images_find,
    .describe_image = local_images_describe,
    .pull = local_images_pull,
    .import_image = local_images_import,
    .list_images = local_images_list,
    .remove_image = local_images_remove,
    .prepare = local_prepare,
    .start = local_start,
    .running = local_running,
    .cpu_used = local_cpu_used,
    .kill = local_kill,
    .pause = local_pause,
    .finish = local_finish,
    .commit = local_commit,
    .watch = local_watch,
    .destroy = local_destroy,
    .reap = local_reap,
    .network = local_network,
    .clean_images = local_images_clean,
};
