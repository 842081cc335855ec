/* SPDX-License-Identifier: MIT */
/*
 * The first program in a VM: /init of the initramfs that light-runner-initramfs makes.
 *
 *      loads the kernel modules of the initramfs in their order
 *      assembles the root: the image's disk, read-only, under an overlay on the run's own disk
 *      starts the agent in a container in that root (container.h)
 *      gives free memory back to the host, if the run takes more than a moment
 *      tells the supervisor how the run ended, and stops the machine
 *
 * The command is at most root in that container. An attacker who escapes from the container reaches
 * this kernel, and is still inside the VM.
 *
 * wire/guest.h says how this program and the supervisor communicate.
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

/* ms. In an emulated machine it takes about 50 ms to begin giving memory back. A short run must not
 * wait for that. */
enum { LOOK_MS = 200, MOMENT_MS = 1000 };

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

/* Waits until the agent has ended. Kills the container if the supervisor asks for it. */
static void watch(pid_t agent, int control)
{
    struct pollfd p = {.fd = control, .events = POLLIN};
    bool told = false;
    int waited = 0;
    for (;;) {
        pid_t pid = waitpid(-1, NULL, WNOHANG);
        if (pid == agent || (pid < 0 && errno == ECHILD))
            return;
        if (pid > 0)
            continue;
        char byte;
        /* SIGCHLD interrupts poll(). */
        int ready = poll(&p, 1, LOOK_MS);
        if (ready > 0 && !told && read(control, &byte, 1) >= 0) {
            told = true;
            p.fd = -1;
            container_kill();
        }
        if (ready == 0 && waited < MOMENT_MS && (waited += LOOK_MS) >= MOMENT_MS)
            devices_return_memory();
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
    /* A trial only finds out whether the machine boots. */
    if (settings.trial) {
        puts(GUEST_TRIAL_ANSWER);
        fflush(stdout);
        stop_machine();
    }
    devices_load_modules("/modules");
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
