/* SPDX-License-Identifier: MIT */
/*
 * The first program of a VM that has been taken over; LIE says what it does. Built by test_lying_guest.py, together with
 * guest/devices.c and guest/stop.c.
 */
#include "devices.h"
#include "stop.h"

#include "wire/frame.h"
#include "wire/guest.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static int agent, control;

static void say(enum frame_type type, const char *payload, size_t length)
{
    char header[8] = {(char)type};
    header[2] = type == FRAME_RUNNING;
    header[4] = (char)length;
    if (write(agent, header, sizeof(header)) < 0 || (length && write(agent, payload, length) < 0))
        stop_machine();
}

/* As far as the supervisor knows the command runs now. */
static void pretend(void)
{
    static const char hello[] =
        "version=2\0sysname=Linux\0release=1.2.3\0kernel=#1 made up\0machine=x86_64";
    static const char walls[] =
        "pid=1\0NoNewPrivs=1\0Seccomp=2\0CapInh=0\0CapPrm=0\0CapEff=0\0CapBnd=0\0CapAmb=0";
    say(FRAME_HELLO, hello, sizeof(hello));
    say(FRAME_WALLS, walls, sizeof(walls));
    say(FRAME_RUNNING, NULL, 0);
}

static void flood(int fd)
{
    static char text[65536];
    memset(text, 'x', sizeof(text));
    while (write(fd, text, sizeof(text)) > 0)
        continue;
}

static void rest(void)
{
    for (;;)
        pause();
}

int main(void)
{
    static const struct {
        const char *type, *at;
    } kernel[] = {{"devtmpfs", "/dev"}, {"proc", "/proc"}, {"sysfs", "/sys"}};
    for (int i = 0; i < 3; i++)
        mount(kernel[i].type, kernel[i].at, kernel[i].type, 0, NULL);
    if (strcmp(LIE, "panic") == 0)
        return 1;
    devices_load_modules("/modules");
    control = devices_open_port(GUEST_PORT_CONTROL);
    agent = devices_open_port(GUEST_PORT_AGENT);
    if (strcmp(LIE, "close") == 0)
        stop_machine();
    if (strcmp(LIE, "garbage") == 0)
        flood(agent);
    if (strcmp(LIE, "huge") == 0) {
        /* A payload of 4 GiB. */
        if (write(agent, "\x40\0\0\0\xff\xff\xff\xff", 8) < 0)
            return 1;
        rest();
    }
    dprintf(control, GUEST_LINE_UP "\n");
    pretend();
    if (strcmp(LIE, "panic later") == 0) {
        int fd = open("/proc/sysrq-trigger", O_WRONLY);
        sleep(1);
        if (write(fd, "c", 1) < 0)
            return 1;
    } else if (strcmp(LIE, "close later") == 0) {
        sleep(1);
        stop_machine();
    } else if (strcmp(LIE, "flood the console") == 0) {
        flood(STDERR_FILENO);
    } else if (strcmp(LIE, "flood control") == 0) {
        flood(control);
    } else if (strcmp(LIE, "chatter") == 0) {
        while (write(control, "a\nb\n", 4) > 0)
            continue;
    } else if (strcmp(LIE, "boast") == 0) {
        dprintf(control,
                GUEST_LINE_ENDED " 99999999999999999999999999 -1 1 1 1\n" GUEST_LINE_ENDED " x\n");
    }
    rest();
}
