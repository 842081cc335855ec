/* SPDX-License-Identifier: MIT */
#include "engine/local/vm.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "engine/local/local.h"
#include "host/mount.h"
#include "tier/accelerator.h"
#include "tier/oci_bundle.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>

/* ms, for the guest to kill what is in it and to say so. */
enum { REPORT_TIMEOUT = 2000 };

enum { CPUS_MAX = 64, SOCKET_BUFFER = 1 << 20, LINES_MAX = 8 };

#define MIB ((uint64_t)1 << 20)

uint64_t vm_memory(const struct request *r)
{
    return (r->memory_bytes + MIB - 1) / MIB * MIB + QEMU_GUEST_OVERHEAD;
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

int vm_make_channel(struct local_sandbox *s, lrun_error *err)
{
    int text[2], size = SOCKET_BUFFER;
    if (make_sockets(&s->base.to_agent, &s->vm.agent, err) < 0 ||
        make_sockets(&s->vm.control, &s->vm.theirs, err) < 0)
        return -1;
    s->base.from_agent = fcntl(s->base.to_agent, F_DUPFD_CLOEXEC, 0);
    if (s->base.from_agent < 0 || io_set_nonblock(s->vm.control, true) < 0 ||
        pipe2(text, O_CLOEXEC) < 0)
        return error_errno(err, LRUN_START_FAILED, "local.prepare", errno,
                           "cannot make the channel to the VM");
    s->base.runtime_text = text[0];
    s->stdio[2] = text[1];
    /* Fewer, larger reads for the bulk streams; it is only a wish. */
    setsockopt(s->base.to_agent, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
    setsockopt(s->vm.agent, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
    return 0;
}

int vm_prepare(struct local_sandbox *s, const struct request *r, int image,
               const char *scratch_folder, lrun_error *err)
{
    struct vm *vm = &s->vm;
    /* Rounded up; more than there are would only wait for one another. */
    int processors = get_nprocs(), cpus = r->cpus < processors ? (int)r->cpus : processors;
    if (cpus < r->cpus && cpus < processors)
        cpus++;
    vm->memory_bytes = vm_memory(r);
    vm->cpus = cpus < 1 ? 1 : cpus > CPUS_MAX ? CPUS_MAX : (unsigned)cpus;
    s->image_fd = fcntl(image, F_DUPFD_CLOEXEC, 0);
    if (s->image_fd < 0)
        return error_errno(err, LRUN_START_FAILED, "local.prepare", errno,
                           "cannot keep the image's file open");
    if (guest_files_open(&vm->files, scratch_folder, err) < 0 ||
        accelerator_find(&vm->accelerator, s->runtime_path, &vm->files, scratch_folder, LOCAL_ROOT,
                         err) < 0)
        return -1;
    if (r->kvm_only && strcmp(vm->accelerator, ACCELERATOR_KVM) != 0) {
        error_set(
            err, LRUN_NOT_SUPPORTED, "local.prepare",
            "options.accelerator: 'kvm' was asked for, and KVM does not work on this machine");
        return error_hint(err, "use --runtime runsc, or leave out --accelerator kvm");
    }
    s->base.accelerator = vm->accelerator;
    /* The agent limits the processes of the run by itself, and is one; the first of the guest's must not be able to
     * have more than both of them take. */
    snprintf(vm->settings, sizeof(vm->settings),
             GUEST_HOSTNAME "=%s " GUEST_MEMORY "=%" PRIu64 " " GUEST_PIDS "=%u " GUEST_NETWORK
                            "=%d " GUEST_SUID "=%d",
             s->id, r->memory_bytes, r->pids + OCI_BUNDLE_OWN_PIDS + 1, s->outbound, s->allow_suid);
    return mount_scratch_file(scratch_folder, s->disk_bytes, &vm->disk, err);
}

int vm_start(struct local_sandbox *s, lrun_error *err)
{
    struct vm *vm = &s->vm;
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

/* Takes one line of what has come, if there is a whole one. */
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
    /* There is an end to what a guest has to say. */
    if (++vm->lines == LINES_MAX)
        cleanup_close_fd(&vm->control);
    vm->length -= (size_t)(end - vm->line);
    memmove(vm->line, end, vm->length);
    return true;
}

/* Until there is nothing more for now. Whoever sends other than lines is not listened to any more. */
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

bool vm_ask(struct local_sandbox *s)
{
    struct vm *vm = &s->vm;
    if (!vm->asked)
        read_control(vm, NULL);
    /* Before that there is nothing of the run's in it. */
    if (!vm->up || vm->control < 0)
        return false;
    vm->asked = vm->asked || send(vm->control, "k", 1, MSG_NOSIGNAL) == 1;
    return vm->asked;
}

void vm_listen(struct local_sandbox *s, struct cgroup_usage *usage)
{
    struct vm *vm = &s->vm;
    int64_t deadline = clock_ms() + REPORT_TIMEOUT;
    while (vm->asked && vm->control >= 0) {
        struct pollfd p = {.fd = vm->control, .events = POLLIN};
        int n = poll(&p, 1, io_poll_timeout(deadline));
        if (n == 0 && clock_ms() >= deadline)
            return;
        read_control(vm, usage);
    }
}

static void take_off(uint64_t *all, uint64_t before)
{
    *all -= before < *all ? before : *all;
}

void vm_correct(const struct vm *vm, const struct cgroup_usage *told, struct cgroup_usage *usage)
{
    take_off(&usage->cpu_us, vm->before.cpu_us);
    take_off(&usage->user_us, vm->before.user_us);
    take_off(&usage->system_us, vm->before.system_us);
    usage->peak_pids = told->peak_pids;
    usage->oom_kills += told->oom_kills > 0;
    if (told->peak_memory_bytes > 0 && told->peak_memory_bytes < usage->peak_memory_bytes)
        usage->peak_memory_bytes = told->peak_memory_bytes;
}

void vm_close(struct vm *vm)
{
    guest_files_close(&vm->files);
    cleanup_close_fd(&vm->disk);
    cleanup_close_fd(&vm->agent);
    cleanup_close_fd(&vm->theirs);
    cleanup_close_fd(&vm->control);
}
