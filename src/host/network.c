/* SPDX-License-Identifier: MIT */
#include "host/network.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "host/egress.h"
#include "host/forward.h"
#include "host/inherited.h"
#include "host/rootless.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const char operation[] = "network.start";

/* Sockets and pipes that pasta may have open. Each connection of a sandbox takes one socket and one
 * port of the host. */
enum { PASTA_FILES = 4096 };

/* ms until pasta is gone after it is killed. */
enum { END_TIMEOUT = 10000 };

/* The keeper's files. It has no others of the supervisor's, so that nobody waits for the keeper to
 * close them. */
enum { FD_TEXT = 3, FD_STARTED, FD_UP, FD_PASTA, FD_REPORT, FD_END, FD_ASIDE = 64 };
enum { FD_COUNT = FD_END - FD_TEXT };

struct keeper {
    struct process pasta;
    int tap, watch;
    int listener; /* reports pasta's calls, if the host's name server is on loopback; else -1 */
};

/* The keeper's reason ends up in the error, as pasta's own reasons do. */
static _Noreturn void fail_keeper(const char *what)
{
    dprintf(FD_TEXT, "%s: %s\n", what, strerror(errno));
    _exit(1);
}

/* In the child, which enters the run's cgroup before it becomes pasta. --no-map-gw and the four
 * "none": no address leads to the host's loopback, and no port of one side is visible on the other.
 * As root, pasta must be told to stay root; it gives up its capabilities and its view of the file
 * system by itself. */
static _Noreturn void run_pasta(const struct network_launch *l, const char *path, const char *fifo,
                                int report)
{
    const char *argv[] = {"pasta",
                          "--foreground",
                          "--quiet",
                          "--config-net",
                          "--no-netns-quit",
                          "--no-map-gw",
                          "--tcp-ports",
                          "none",
                          "--udp-ports",
                          "none",
                          "--tcp-ns",
                          "none",
                          "--udp-ns",
                          "none",
                          "--pid",
                          fifo,
                          "--userns",
                          l->user_namespace,
                          "--netns",
                          l->network_namespace,
                          NULL,
                          NULL,
                          NULL,
                          NULL,
                          NULL};
    size_t count = 0;
    while (argv[count])
        count++;
    if (!rootless_active()) {
        argv[count++] = "--runas";
        argv[count++] = "0";
    }
    /* Only if it is needed: with it, all answers of the host's server seem to come from this
     * address. */
    if (l->names->host[0]) {
        argv[count++] = "--dns-forward";
        argv[count++] = NETWORK_RESOLVER;
    }
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(l->text, 2) < 0)
        _exit(127);
    if (cgroup_enter(l->cgroup) < 0)
        dprintf(2, "the network cannot enter the run's cgroup: %s\n", strerror(errno));
    else if (inherited_limit(PASTA_FILES) == 0 && (report < 0 || forward_report(report) == 0))
        execve(path, (char *const *)argv, process_bare_environment);
    _exit(127);
}

/*
 * Kills pasta and waits for it. pasta leaves the run's cgroup at once, because the keeper still has
 * the tap device open. The device is removed when the keeper ends. That takes the kernel some 40
 * ms, and nobody waits for it.
 */
static _Noreturn void end_keeper(struct keeper *k)
{
    struct process_status status;
    process_kill(&k->pasta);
    (void)process_wait(&k->pasta, clock_ms() + END_TIMEOUT, &status);
    _exit(1);
}

/* pasta writes its pid once the interface is up. Returns false if pasta has ended instead. */
static bool await_pasta(struct keeper *k, const struct network_launch *l)
{
    struct pollfd fds[] = {{.fd = FD_STARTED, .events = POLLIN},
                           {.fd = FD_PASTA, .events = POLLIN},
                           {.fd = k->listener, .events = POLLIN},
                           {.fd = FD_UP}};
    for (;;) {
        if (poll(fds, 4, -1) < 0)
            continue;
        /* The supervisor has closed its end of the pipe. */
        if (fds[3].revents)
            end_keeper(k);
        if (fds[0].revents || fds[1].revents)
            return fds[0].revents & POLLIN;
        forward_handle(k->listener, k->pasta.pidfd, NETWORK_RESOLVER, l->names->host);
    }
}

static int renew(struct keeper *k, const struct network_launch *l)
{
    egress_drain(k->watch);
    return egress_attach(&k->tap, k->pasta.pidfd, l->egress, l->names);
}

/* Runs for as long as pasta lives and the program on its device can be kept up to date. */
static _Noreturn void keep_up(struct keeper *k, const struct network_launch *l)
{
    struct pollfd fds[] = {{.fd = FD_PASTA, .events = POLLIN},
                           {.fd = k->watch, .events = POLLIN},
                           {.fd = k->listener, .events = POLLIN},
                           {.fd = FD_UP}};
    for (;;) {
        if (poll(fds, 4, -1) < 0)
            continue;
        if (fds[0].revents || fds[3].revents || (fds[1].revents && renew(k, l) < 0))
            end_keeper(k);
        if (fds[2].revents)
            forward_handle(k->listener, k->pasta.pidfd, NETWORK_RESOLVER, l->names->host);
    }
}

/* Moves the given files to their numbers, puts /dev/null at 0 to 2, and closes all others. -1:
 * there is no such file. */
static void keep_files(const int given[FD_COUNT])
{
    int aside[FD_COUNT], null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; i < FD_COUNT; i++)
        aside[i] = given[i] < 0 ? -1 : fcntl(given[i], F_DUPFD_CLOEXEC, FD_ASIDE);
    for (int i = 0; i < FD_COUNT; i++) {
        close(FD_TEXT + i);
        if (given[i] >= 0 && dup3(aside[i], FD_TEXT + i, O_CLOEXEC) < 0)
            _exit(1);
    }
    for (int i = 0; i < FD_TEXT; i++)
        if (dup2(null, i) < 0)
            _exit(1);
    if (close_range(FD_END, ~0u, 0) < 0)
        _exit(1);
}

static _Noreturn void keep(const struct network_launch *l, const char *path, const char *fifo,
                           int started, int up)
{
    struct keeper k = {.tap = -1, .listener = -1};
    int pair[2] = {-1, -1};
    process_forget_environment();
    bool forwards = l->names->host[0] != '\0';
    if (forwards && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        _exit(1);
    pid_t pid = process_clone(&k.pasta, 0);
    if (pid == 0)
        run_pasta(l, path, fifo, pair[1]);
    if (pid < 0)
        _exit(1);
    const int given[FD_COUNT] = {l->text, started, up, k.pasta.pidfd, pair[0]};
    keep_files(given);
    k.pasta.pidfd = FD_PASTA;
    /* Watch before the addresses are read for the first time, so that no change is missed. */
    k.watch = egress_watch();
    if (k.watch < 0)
        fail_keeper("the host's addresses cannot be watched");
    if (forwards)
        k.listener = forward_listen(FD_REPORT);
    /* If pasta has ended, it has said why; the keeper has nothing to add. */
    if ((forwards && k.listener < 0) || !await_pasta(&k, l))
        end_keeper(&k);
    if (renew(&k, l) < 0)
        fail_keeper(errno == E2BIG || errno == ENOMEM
                        ? "the host has more addresses than can be closed to the sandbox"
                        : "the sandbox cannot be kept from the host's addresses");
    if (write(FD_UP, "", 1) != 1)
        end_keeper(&k);
    close(FD_TEXT);
    close(FD_STARTED);
    keep_up(&k, l);
}

int network_device_error(void)
{
    /* The device may have a file but no driver, so only opening it tells. */
    cleanup_close int fd = open(NETWORK_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    return fd < 0 ? errno : 0;
}

const char *network_device_fix(int number)
{
    if (number == EACCES)
        return "sudo chmod 666 " NETWORK_DEVICE;
    /* The driver is there, but nobody has made its file, as in containers. */
    if (access("/sys/class/misc/tun", F_OK) == 0)
        return "sudo mkdir -p /dev/net && sudo mknod -m 666 " NETWORK_DEVICE " c 10 200";
    return "sudo modprobe tun";
}

int network_start(struct network *out, const struct network_launch *l, lrun_error *err)
{
    *out = NETWORK_NONE;
    cleanup_free char *program = process_find_program("pasta");
    if (!program) {
        error_set(err, LRUN_START_FAILED, operation,
                  "the default network needs the program 'pasta', which is not installed");
        return error_hint(err, "apt-get install passt, or run with --network none");
    }
    /* pasta would report this only after the sandbox has been made, and in other words. */
    int number = network_device_error();
    if (number) {
        error_errno(err, LRUN_START_FAILED, operation, number,
                    "the default network needs " NETWORK_DEVICE);
        return error_hint(err, "%s; or run with --network none", network_device_fix(number));
    }
    char fifo[256];
    snprintf(fifo, sizeof(fifo), "%s/pasta.pid", l->folder);
    cleanup_close int started =
        mkfifo(fifo, 0600) < 0 ? -1 : open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (started < 0)
        return error_errno(err, LRUN_START_FAILED, operation, errno, "cannot make '%s'", fifo);
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_errno(err, LRUN_START_FAILED, operation, errno, "cannot make a pipe");
    cleanup_close int ready = ends[0], up = ends[1];
    pid_t pid = process_clone(&out->keeper, CLONE_NEWPID);
    if (pid == 0)
        keep(l, program, fifo, started, up);
    /* In the keeper, the other end shows whether the supervisor still has this end: see
     * network_stop(). */
    if (pid < 0)
        return error_errno(err, LRUN_START_FAILED, operation, errno, "cannot start pasta");
    out->ready = steal_fd(&ready);
    return 0;
}

void network_stop(struct network *n)
{
    cleanup_close_fd(&n->ready);
    cleanup_close_fd(&n->keeper.pidfd);
}
