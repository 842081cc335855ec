/* SPDX-License-Identifier: MIT */
#include "host/network.h"

#include "base/cleanup.h"
#include "host/rootless.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

static const char operation[] = "network.start";

/* In the child. --no-map-gw and the four "none": no address leads to the host's loopback, and no
 * port of one side is shown on the other. As root pasta has to be told to stay root; it gives up
 * its capabilities and its view of the file system by itself. */
static _Noreturn void run_child(const char *path, const char *user_namespace,
                                const char *network_namespace, const char *fifo, int text)
{
    const char *const argv[] = {"pasta",
                                "--foreground",
                                "--quiet",
                                "--config-net",
                                "--no-map-gw",
                                "--tcp-ports",
                                "none",
                                "--udp-ports",
                                "none",
                                "--tcp-ns",
                                "none",
                                "--udp-ns",
                                "none",
                                "--dns-forward",
                                NETWORK_RESOLVER,
                                "--pid",
                                fifo,
                                "--userns",
                                user_namespace,
                                "--netns",
                                network_namespace,
                                rootless_active() ? NULL : "--runas",
                                "0",
                                NULL};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0 && dup2(null, 0) >= 0 && dup2(null, 1) >= 0 && dup2(text, 2) >= 0) {
        execv(path, (char *const *)argv);
    }
    _exit(127);
}

/*
 * The init of pasta's namespace: starts it and ends with it. Its own end, by the supervisor's or by the
 * kernel's hand, is pasta's. pasta changes its credentials, which would clear a death signal of its
 * own.
 */
static _Noreturn void keep(const char *path, const char *user_namespace,
                           const char *network_namespace, const char *fifo, int text)
{
    pid_t pasta = fork();
    if (pasta == 0)
        run_child(path, user_namespace, network_namespace, fifo, text);
    /* What says something on it is pasta alone, or its end would not be seen. */
    close(text);
    while (pasta > 0 && waitpid(pasta, NULL, 0) < 0 && errno == EINTR)
        continue;
    _exit(1);
}

int network_start(struct network *out, const char *user_namespace, const char *network_namespace,
                  const char *folder, int text, lr_error *err)
{
    *out = NETWORK_NONE;
    cleanup_free char *program = process_find_program("pasta");
    if (!program) {
        error_set(err, LR_CONTAINER_START_FAILED, operation,
                  "the default network needs the program 'pasta', which is not installed");
        return error_hint(err, "apt-get install passt, or run with --network none");
    }
    /* pasta would say so only after the sandbox has been made, and in other words. */
    if (faccessat(AT_FDCWD, NETWORK_DEVICE, R_OK | W_OK, AT_EACCESS) < 0) {
        error_errno(err, LR_CONTAINER_START_FAILED, operation, errno,
                    "the default network needs " NETWORK_DEVICE);
        return error_hint(err, NETWORK_DEVICE_FIX ", or run with --network none");
    }
    /* pasta writes its pid there once the interface is up: with a fifo that is an event. */
    char fifo[256];
    snprintf(fifo, sizeof(fifo), "%s/pasta.pid", folder);
    cleanup_close int ready =
        mkfifo(fifo, 0600) < 0 ? -1 : open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (ready < 0)
        return error_errno(err, LR_CONTAINER_START_FAILED, operation, errno, "cannot make '%s'",
                           fifo);
    pid_t pid = process_clone(&out->keeper, CLONE_NEWPID);
    if (pid == 0)
        keep(program, user_namespace, network_namespace, fifo, text);
    if (pid < 0)
        return error_errno(err, LR_CONTAINER_START_FAILED, operation, errno, "cannot start pasta");
    out->ready = steal_fd(&ready);
    return 0;
}

void network_stop(struct network *n)
{
    process_kill(&n->keeper);
    cleanup_close_fd(&n->keeper.pidfd);
    cleanup_close_fd(&n->ready);
}
