/* SPDX-License-Identifier: MIT */
#include "network.h"
#include "devices.h"
#include "stop.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <net/route.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* The addresses that QEMU's own network has for the guest. They are the same in every VM, because
 * each VM has a network of its own. */
#define ADDRESS "10.0.2.15"
#define NETMASK "255.255.255.0"
#define GATEWAY "10.0.2.2"

#define INTERFACE "eth0"

/* ms to wait for the interface */
enum { PATIENCE = 60000, STEP = 2 };

static void set_address(struct sockaddr *out, const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    inet_pton(AF_INET, text, &address.sin_addr);
    memcpy(out, &address, sizeof(address));
}

static void bring_up(int socket, const char *name)
{
    struct ifreq r = {.ifr_flags = IFF_UP};
    strcpy(r.ifr_name, name);
    if (ioctl(socket, SIOCSIFFLAGS, &r) < 0)
        stop("bring up", name);
}

static void await(int socket)
{
    struct ifreq r = {0};
    strcpy(r.ifr_name, INTERFACE);
    for (int waited = 0; waited < PATIENCE && ioctl(socket, SIOCGIFINDEX, &r) < 0; waited += STEP)
        usleep(STEP * 1000);
}

/* As in tier/oci/oci_bundle.c: every user may ping, and bind to any port. */
static void let_everybody(void)
{
    static const char *const settings[][2] = {
        {"/proc/sys/net/ipv4/ping_group_range", "0 2147483647"},
        {"/proc/sys/net/ipv4/ip_unprivileged_port_start", "0"},
    };
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        int fd = open(settings[i][0], O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, settings[i][1], strlen(settings[i][1])) < 0)
            stop("set", settings[i][0]);
        close(fd);
    }
}

void network_up(const struct settings *s)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        stop("open", "a socket");
    bring_up(fd, "lo");
    let_everybody();
    if (s->network) {
        struct ifreq r = {0};
        struct rtentry route = {.rt_flags = RTF_UP | RTF_GATEWAY};
        devices_load_modules("/network");
        await(fd);
        strcpy(r.ifr_name, INTERFACE);
        set_address(&r.ifr_addr, ADDRESS);
        if (ioctl(fd, SIOCSIFADDR, &r) < 0)
            stop("address", INTERFACE);
        set_address(&r.ifr_netmask, NETMASK);
        if (ioctl(fd, SIOCSIFNETMASK, &r) < 0)
            stop("address", INTERFACE);
        bring_up(fd, INTERFACE);
        set_address(&route.rt_gateway, GATEWAY);
        set_address(&route.rt_dst, "0.0.0.0");
        set_address(&route.rt_genmask, "0.0.0.0");
        if (ioctl(fd, SIOCADDRT, &route) < 0)
            stop("route through", INTERFACE);
    }
    close(fd);
}
