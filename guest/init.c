/* SPDX-License-Identifier: MIT */
/*
 * The first program in a VM: /init of the initramfs that light-runner-setup-kata makes.
 *
 *      loads the kernel modules that the initramfs holds, in their order
 *      puts the root together: the image's disk, read-only, under an overlay on the run's own disk
 *      starts the agent in a container in there (container.h)
 *      tells the supervisor how it ended, and has the machine end
 *
 * The command is root in that container at most. Whoever gets out of it has this kernel, and the VM around it.
 *
 * How it hears of the supervisor, and tells it things, is in wire/guest.h.
 */
#include "container.h"
#include "devices.h"
#include "network.h"
#include "settings.h"
#include "stop.h"

#include "wire/guest.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOOK_MS = 200 };

static void mount_kernel(void)
{
    static const struct {
        const char *type, *at;
    } kernel[] = {
        {"devtmpfs", "/dev"}, {"proc", "/proc"}, {"sysfs", "/sys"}, {"cgroup2", "/sys/fs/cgroup"}};
    for (size_t i = 0; i < sizeof(kernel) / sizeof(kernel[0]); i++) {
        mkdir(kernel[i].at, 0755);
        if (mount(kernel[i].type, kernel[i].at, kernel[i].type, MS_NOSUID | MS_NOEXEC, NULL) < 0)
            stop("mount", kernel[i].at);
    }
}

/* Waits until the agent has ended, or is to. */
static void watch(pid_t agent, int control)
{
    struct pollfd p = {.fd = control, .events = POLLIN};
    bool told = false;
    for (;;) {
        pid_t pid = waitpid(-1, NULL, WNOHANG);
        if (pid == agent || (pid < 0 && errno == ECHILD))
            return;
        if (pid > 0)
            continue;
        char byte;
        /* SIGCHLD interrupts it. */
        if (poll(&p, 1, LOOK_MS) > 0 && !told && read(control, &byte, 1) >= 0) {
            told = true;
            p.fd = -1;
            container_kill();
        }
    }
}

static void on_child(int number)
{
    (void)number;
}

int main(void)
{
    static struct settings settings;
    mount_kernel();
    settings_read(&settings);
    /* That is all that whoever tries a machine wants to know. */
    if (settings.trial) {
        puts(GUEST_TRIAL_ANSWER);
        fflush(stdout);
        stop_machine();
    }
    devices_load_modules();
    int control = devices_open_port(GUEST_PORT_CONTROL);
    int channel = devices_open_port(GUEST_PORT_AGENT);
    devices_mount_root(&settings);
    network_up(&settings);
    container_limit(&settings);
    struct sigaction action = {.sa_handler = on_child};
    sigaction(SIGCHLD, &action, NULL);
    dprintf(control, GUEST_LINE_UP "\n");
    pid_t agent = container_start(&settings, channel);
    close(channel);
    watch(agent, control);
    container_kill();
    while (waitpid(-1, NULL, 0) > 0)
        continue;
    container_report(control);
    stop_machine();
}
