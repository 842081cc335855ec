/* SPDX-License-Identifier: MIT */
/*
 * The tier with a VM, on the local engine. Instead of mounts and an OCI runtime it uses QEMU and
 * two disks, which the guest mounts itself. The rest of a sandbox (cgroup, network, storage,
 * removal) is in local.c.
 *
 *   supervisor <--- socket ---> QEMU <--- virtio console, port `agent` ---> agent
 *              <--- socket ---> QEMU <--- ...          port `control` ---> init (wire/guest.h)
 *              <--- pipe -----  QEMU <--- serial console                   the kernel's last words
 */
#include "base/cleanup.h"
#include "base/io.h"
#include "engine/local/backend.h"
#include "host/mount.h"
#include "tier/oci/oci_bundle.h"
#include "tier/vm/accelerator.h"
#include "tier/vm/qemu.h"
#include "wire/guest.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>

/* In ms: how long the guest may take to kill everything in it and to report that. */
enum { REPORT_TIMEOUT = 2000 };

enum { CPUS_MAX = 64, SOCKET_BUFFER = 1 << 20, LINES_MAX = 8 };

#define MIB ((uint64_t)1 << 20)

struct vm {
    struct guest_files files;
    const char *accelerator;
    uint64_t memory_bytes; /* the machine's memory */
    unsigned cpus;
    int disk;    /* the file of the run's storage */
    int agent;   /* QEMU's end of the agent's port, until QEMU has it */
    int theirs;  /* QEMU's end of the control port, until QEMU has it */
    int control; /* our end of the control port */
    bool asked;
    char line[GUEST_LINE_MAX]; /* what the control port has delivered of the current line */
    size_t length;
    unsigned lines; /* received so far */
    bool up;
    struct cgroup_usage before; /* usage before the command started */
    struct cgroup_usage told;   /* the run's usage, as the guest reported it */
    char settings[512];
};

static int available(lrun_error *err)
{
    char release[65];
    return guest_files_release(release, err);
}

/* Returns the machine's memory: the request's, plus what the guest's kernel takes. */
static uint64_t machine_memory(const struct sandbox_spec *spec)
{
    return (spec->memory_bytes + MIB - 1) / MIB * MIB + QEMU_GUEST_OVERHEAD;
}

static int adapt(struct local_plan *p, lrun_error *err)
{
    struct sandbox *base = &p->sandbox->base;
    const struct sandbox_spec *spec = p->spec;
    (void)err;
    base->pids = spec->pids + OCI_BUNDLE_OWN_PIDS;
    base->may_end_first = base->has_console = true;
    /* The guest's kernel may use a whole processor to boot; running() sets the run's share. */
    if (spec->cpus < 1)
        p->limits.cpus = 1;
    p->limits.memory_bytes += machine_memory(spec) - spec->memory_bytes + QEMU_HOST_OVERHEAD;
    return 0;
}

static int make_sockets(int *ours, int *theirs, lrun_error *err)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return error_errno(err, LRUN_START_FAILED, "local.prepare", errno, "cannot make a socket");
    *ours = ends[0];
    *theirs = ends[1];
    return 0;
}

static int open_channel(struct local_sandbox *s, lrun_error *err)
{
    int text[2], size = SOCKET_BUFFER;
    struct vm *vm = s->vm = malloc(sizeof(*s->vm));
    if (!vm)
        return error_oom(err, "local.prepare");
    *vm = (struct vm){
        .files = GUEST_FILES_NONE, .disk = -1, .agent = -1, .theirs = -1, .control = -1};
    if (make_sockets(&s->base.to_agent, &vm->agent, err) < 0 ||
        make_sockets(&vm->control, &vm->theirs, err) < 0)
        return -1;
    s->base.from_agent = fcntl(s->base.to_agent, F_DUPFD_CLOEXEC, 0);
    if (s->base.from_agent < 0 || io_set_nonblock(vm->control, true) < 0 ||
        pipe2(text, O_CLOEXEC) < 0)
        return error_errno(err, LRUN_START_FAILED, "local.prepare", errno,
                           "cannot make the channel to the VM");
    s->base.runtime_text = text[0];
    s->stdio[2] = text[1];
    /* For fewer, larger reads of bulk data. Optional, so failure does not matter. */
    setsockopt(s->base.to_agent, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
    setsockopt(vm->agent, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
    return 0;
}

static int make_root(struct local_plan *p, lrun_error *err)
{
    struct local_sandbox *s = p->sandbox;
    struct vm *vm = s->vm;
    if (backend_keep_image(p, 0, err) < 0 ||
        guest_files_open(&vm->files, p->scratch_folder, err) < 0 ||
        accelerator_find(&vm->accelerator, s->runtime_path, &vm->files, p->scratch_folder,
                         LOCAL_ROOT, err) < 0)
        return -1;
    if (p->spec->kvm_only && strcmp(vm->accelerator, ACCELERATOR_KVM) != 0) {
        error_set(
            err, LRUN_NOT_SUPPORTED, "local.prepare",
            "options.accelerator: 'kvm' was asked for, and KVM does not work on this machine");
        return error_hint(err, "use --runtime runsc, or leave out --accelerator kvm");
    }
    s->base.accelerator = vm->accelerator;
    return scratch_file(p->scratch_folder, s->disk_bytes, &vm->disk, err);
}

static int configure(struct local_plan *p, lrun_error *err)
{
    struct local_sandbox *s = p->sandbox;
    const struct sandbox_spec *spec = p->spec;
    struct vm *vm = s->vm;
    /* Rounded up. More processors than the host has would only wait for each other. */
    int processors = get_nprocs(), cpus = spec->cpus < processors ? (int)spec->cpus : processors;
    if (cpus < spec->cpus && cpus < processors)
        cpus++;
    vm->memory_bytes = machine_memory(spec);
    vm->cpus = cpus < 1 ? 1 : cpus > CPUS_MAX ? CPUS_MAX : (unsigned)cpus;
    /* The agent limits the run's processes itself, and is a process too. The limit that the guest's
     * init sets must not allow more than both take. */
    snprintf(vm->settings, sizeof(vm->settings),
             GUEST_HOSTNAME "=%s " GUEST_MEMORY "=%" PRIu64 " " GUEST_PIDS "=%u " GUEST_NETWORK
                            "=%d " GUEST_SUID "=%d",
             s->id, spec->memory_bytes, spec->pids + OCI_BUNDLE_OWN_PIDS + 1, s->outbound,
             s->allow_suid);
    /* QEMU's network has a name server for the guest, which asks the sandbox's name servers. */
    if (s->names.count > 0)
        s->base.names = (struct resolver){.count = 1, .servers = {GUEST_RESOLVER}};
    return s->outbound ? backend_write_resolv_conf(s, err) : 0;
}

static int start(struct local_sandbox *s, lrun_error *err)
{
    struct vm *vm = s->vm;
    const struct qemu_launch launch = {
        .path = s->runtime_path,
        .accelerator = vm->accelerator,
        .files = &vm->files,
        .root = LOCAL_ROOT,
        .uid = s->first_id,
        .cgroup = s->cgroup,
        .network_namespace = s->outbound ? LOCAL_NETWORK_NAMESPACE : NULL,
        .resolv_conf = s->outbound ? LOCAL_RESOLV_CONF : NULL,
        .memory_bytes = vm->memory_bytes,
        .cpus = vm->cpus,
        .settings = vm->settings,
        .image = s->image_fd,
        .disk = vm->disk,
        .agent = vm->agent,
        .control = vm->theirs,
        .console = s->stdio[2],
    };
    int failed = qemu_start(&s->process, &launch, err);
    cleanup_close_fd(&vm->agent);
    cleanup_close_fd(&vm->theirs);
    if (!failed)
        s->base.alive = s->process.pidfd;
    return failed;
}

/* Usage before this moment is not the command's. */
static int running(struct local_sandbox *s)
{
    lrun_error ignored;
    cgroup_read_usage(s->cgroup, &s->vm->before);
    return s->cpus < 1 ? cgroup_set_cpus(s->cgroup, s->cpus, &ignored) : 0;
}

/* Handles one line of the input, if a whole line is there. */
static bool take_line(struct vm *vm, struct cgroup_usage *usage)
{
    char *end = memchr(vm->line, '\n', vm->length);
    if (!end)
        return false;
    *end++ = '\0';
    struct cgroup_usage told = {0};
    static const char ended[] = GUEST_LINE_ENDED " %" SCNu64 " %" SCNu64 " %" SCNu64;
    if (strcmp(vm->line, GUEST_LINE_UP) == 0)
        vm->up = true;
    else if (sscanf(vm->line, ended, &told.oom_kills, &told.peak_memory_bytes, &told.peak_pids) ==
                 3 &&
             usage) {
        *usage = told;
        cleanup_close_fd(&vm->control);
    }
    /* A guest may send only a few lines. */
    if (++vm->lines == LINES_MAX)
        cleanup_close_fd(&vm->control);
    vm->length -= (size_t)(end - vm->line);
    memmove(vm->line, end, vm->length);
    return true;
}

/* Reads until there is no more input for now. Closes the port if the guest sends
 * anything but lines. */
static void read_control(struct vm *vm, struct cgroup_usage *usage)
{
    while (vm->control >= 0) {
        if (take_line(vm, usage))
            continue;
        ssize_t n = vm->length < sizeof(vm->line)
                        ? read(vm->control, vm->line + vm->length, sizeof(vm->line) - vm->length)
                        : 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            cleanup_close_fd(&vm->control);
        else
            vm->length += (size_t)n;
    }
}

static bool ask_to_end(struct local_sandbox *s)
{
    struct vm *vm = s->vm;
    if (!vm->asked)
        read_control(vm, NULL);
    /* Before the line "up" arrives, nothing of the run is in the guest. */
    if (!vm->up || vm->control < 0)
        return false;
    vm->asked = vm->asked || send(vm->control, "k", 1, MSG_NOSIGNAL) == 1;
    return vm->asked;
}

/* The guest still has to report its usage. Without a report, `told` keeps its value. */
static void await_end(struct local_sandbox *s)
{
    struct vm *vm = s->vm;
    int64_t deadline = clock_ms() + REPORT_TIMEOUT;
    while (vm->asked && vm->control >= 0) {
        struct pollfd p = {.fd = vm->control, .events = POLLIN};
        int n = poll(&p, 1, io_poll_timeout(deadline));
        if (n == 0 && clock_ms() >= deadline)
            break;
        read_control(vm, &vm->told);
    }
    process_kill(&s->process);
}

static void take_off(uint64_t *all, uint64_t before)
{
    *all -= before < *all ? before : *all;
}

/*
 * *usage is what the host has measured for the whole machine. The CPU time of the boot is
 * subtracted. Memory and processes are replaced by the values that the guest has reported for the
 * run. So code that has taken over the guest can understate its memory, but not its CPU time.
 */
static void correct_usage(const struct local_sandbox *s, struct cgroup_usage *usage)
{
    const struct vm *vm = s->vm;
    take_off(&usage->cpu_us, vm->before.cpu_us);
    take_off(&usage->user_us, vm->before.user_us);
    take_off(&usage->system_us, vm->before.system_us);
    usage->peak_pids = vm->told.peak_pids;
    usage->oom_kills += vm->told.oom_kills > 0;
    if (vm->told.peak_memory_bytes > 0 && vm->told.peak_memory_bytes < usage->peak_memory_bytes)
        usage->peak_memory_bytes = vm->told.peak_memory_bytes;
}

static void close_vm(struct local_sandbox *s)
{
    struct vm *vm = s->vm;
    if (!vm)
        return;
    guest_files_close(&vm->files);
    cleanup_close_fd(&vm->disk);
    cleanup_close_fd(&vm->agent);
    cleanup_close_fd(&vm->theirs);
    cleanup_close_fd(&vm->control);
    free(steal_ptr(s->vm));
}

const struct local_backend local_vm = {
    .needs_root = true,
    .has_vm = true,
    .agent_filters = true,
    .available = available,
    .adapt = adapt,
    .open_channel = open_channel,
    .make_root = make_root,
    .configure = configure,
    .start = start,
    .running = running,
    .ask_to_end = ask_to_end,
    .await_end = await_end,
    .correct_usage = correct_usage,
    .close = close_vm,
};
