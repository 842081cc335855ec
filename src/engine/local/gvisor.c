/* SPDX-License-Identifier: MIT */
/*
 * gVisor: an OCI runtime whose sandbox has its own kernel, the sentry, with its own file systems,
 * network stack and process count. So gVisor reads the image's file itself, and the agent enforces
 * the limits on things that the host cannot see.
 */
#include "base/io.h"
#include "engine/local/oci.h"
#include "host/filter.h"
#include "host/mount.h"

#include <errno.h>
#include <poll.h>
#include <sys/syscall.h>

enum { NETWORK_TIMEOUT_MS = 10000 };

static int adapt(struct local_plan *p, lrun_error *err)
{
    struct sandbox *base = &p->sandbox->base;
    base->pids = p->spec->pids + OCI_BUNDLE_OWN_PIDS;
    /* The sentry shows all processors of the host. */
    base->cpu_us = cgroup_cpu_us(p->spec->cpus);
    base->may_end_first = true;
    /* The kernel's log identifies the sentry and says nothing about the host. */
    return filter_allow(&base->filter, &base->filter_length, SYS_syslog, err);
}

/*
 * gVisor reads the image's file. It keeps all changes in one file of the run's storage and caps
 * that file itself. The size of the storage is a second limit behind that cap. It is larger by the
 * file system's own overhead, and by space that is freed but not yet given back.
 */
static struct scratch_spec storage_of(const struct local_plan *p)
{
    uint64_t bytes = p->sandbox->disk_bytes;
    uint64_t spare = bytes / 8 / LOCAL_DISK_MIN * LOCAL_DISK_MIN + 16 * LOCAL_DISK_MIN;
    return (struct scratch_spec){p->scratch_folder, bytes + spare, NULL};
}

static int begin_root(struct local_plan *p, lrun_error *err)
{
    const struct scratch_spec storage = storage_of(p);
    return scratch_begin(&p->sandbox->scratch_birth, &storage, err);
}

static int make_root(struct local_plan *p, lrun_error *err)
{
    struct local_sandbox *s = p->sandbox;
    const struct scratch_spec storage = storage_of(p);
    /* The fd number must be above the one in the runtime: dup2() onto itself would
     * keep close-on-exec. */
    return backend_keep_image(p, OCI_RUNTIME_IMAGE_FD + 1, err) < 0
               ? -1
               : scratch_finish(&s->scratch_birth, &storage, LOCAL_SCRATCH, &s->scratch, err);
}

static int configure(struct local_plan *p, lrun_error *err)
{
    struct local_sandbox *s = p->sandbox;
    struct oci_bundle bundle;
    if (oci_fill_bundle(&bundle, p, err) < 0)
        return -1;
    /* The sentry has its own cgroups, which the agent shows; the agent also writes the name
     * servers. As a program of several threads, runsc cannot join a user namespace, so the
     * bundle has it make one. */
    bundle.image = OCI_RUNTIME_IMAGE;
    bundle.upper = LOCAL_SCRATCH;
    bundle.upper_bytes = s->disk_bytes;
    s->base.names = s->names;
    s->config = oci_bundle_config(&bundle, err);
    return s->config ? 0 : -1;
}

/* gVisor's network stack copies the state of the interface when it starts, so
 * wait until that is up. */
static int await_network(struct local_sandbox *s, lrun_error *err)
{
    struct pollfd fds[2] = {{.fd = s->network.ready, .events = POLLIN},
                            {.fd = s->network.keeper.pidfd, .events = POLLIN}};
    int64_t deadline = clock_ms() + NETWORK_TIMEOUT_MS;
    int n;
    do
        n = poll(fds, 2, io_poll_timeout(deadline));
    while ((n < 0 && errno == EINTR) || (n == 0 && clock_ms() < deadline));
    /* The supervisor need not wait for the network any more. */
    s->base.network = s->base.network_lost = -1;
    if (fds[0].revents & POLLIN)
        return 0;
    error_set(err, LRUN_START_FAILED, "network.start", "the sandbox's network did not come up");
    return error_hint(err, "see what works here: light-runner doctor; or run with --network none");
}

/*
 * gVisor needs about 0.2 s of processor time to start, in processes that work at the same time.
 * That is our own program's work, so the run's share of the processors does not apply to it.
 */
static int start(struct local_sandbox *s, lrun_error *err)
{
    if (oci_write_config(s, err) < 0 || cgroup_lift_cpus(s->cgroup, err) < 0 ||
        (s->outbound && await_network(s, err) < 0))
        return -1;
    struct oci_runtime_launch launch = oci_launch(s);
    size_t n = 0;
    launch.flags[n++] = "--overlay2=root:dir=" LOCAL_SCRATCH;
    launch.flags[n++] = s->outbound ? "--network=sandbox" : "--network=none";
    if (s->allow_suid)
        launch.flags[n++] = "--allow-suid";
    return oci_start(s, &launch, err);
}

/* From here on, what the sandbox does is the run's own. */
static int ready(struct local_sandbox *s)
{
    lrun_error ignored;
    return cgroup_set_cpus(s->cgroup, s->cpus, &ignored);
}

/*
 * Uses runsc's own verbs. Freezing the cgroup interrupts the system calls by which the sentry's
 * processes talk to each other (seccomp notifications). The sentry does not resume all of them: it
 * then considers a process dead, and the program in it ends with SIGSEGV.
 */
static int pause_or_resume(struct local_sandbox *s, bool on, lrun_error *err)
{
    const struct oci_runtime_launch launch = oci_launch(s);
    return oci_runtime_pause(&s->process, &launch, on, err);
}

const struct local_backend local_gvisor = {
    .needs_root = true,
    .agent_filters = true,
    .names_agent = true,
    .always_namespaces = true,
    .adapt = adapt,
    .open_channel = oci_open_channel,
    .begin_root = begin_root,
    .make_root = make_root,
    .configure = configure,
    .start = start,
    .ready = ready,
    .pause = pause_or_resume,
};
