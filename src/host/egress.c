/* SPDX-License-Identifier: MIT */
#include "host/egress.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* The offsets of fields in a frame. */
enum {
    AT_ETHERTYPE = 12,
    AT_IP = 14,
    AT_V4_FRAGMENT = AT_IP + 6,
    AT_V4_PROTOCOL = AT_IP + 9,
    AT_V4_TO = AT_IP + 16,
    AT_V4_PORT = AT_IP + 2, /* after the header, whose length is in X */
    AT_V6_PROTOCOL = AT_IP + 6,
    AT_V6_TO = AT_IP + 24,
    AT_V6_PAYLOAD = AT_IP + 40,
    AT_V6_PORT = AT_V6_PAYLOAD + 2,
};

enum { V4_OFFSET_MASK = 0x1fff, ACCEPT = -1, DROP = 0, DNS_PORT = 53 };

/* Neighbour discovery without redirects: router and neighbour solicitations and advertisements. */
enum { NDP_FIRST = 133, NDP_LAST = 136 };

enum { TUN_MAJOR = 10, TUN_MINOR = 200, FDS_MAX = 256 };

#define ALWAYS 0 /* blocked always: no bit opens it */

static const struct range_v4 {
    unsigned opened_by;
    uint32_t network, mask;
} ranges_v4[] = {
    {ALWAYS, 0x00000000, 0xff000000},          /* "this host" */
    {ALWAYS, 0x7f000000, 0xff000000},          /* loopback */
    {EGRESS_HOST, 0xe0000000, 0xe0000000},     /* multicast, reserved, broadcast */
    {EGRESS_METADATA, 0xa9fe0000, 0xffff0000}, /* link-local; 169.254.169.254 of most clouds */
    {EGRESS_METADATA, 0x646464c8, 0xffffffff}, /* 100.100.100.200, Alibaba */
    {EGRESS_METADATA, 0x64600060, 0xffffffff}, /* 100.96.0.96, Volcengine */
    {EGRESS_METADATA, 0xa83f8110, 0xffffffff}, /* 168.63.129.16, Azure's WireServer */
    {EGRESS_METADATA, 0xc00000c0, 0xffffffff}, /* 192.0.0.192, Oracle */
};

static const struct range_v6 {
    unsigned opened_by, bits;
    struct in6_addr network;
} ranges_v6[] = {
    {ALWAYS, 96, {{{0}}}}, /* unspecified, loopback, IPv4-compatible */
    {ALWAYS, 96, {{{[10] = 0xff, [11] = 0xff}}}},
    {EGRESS_HOST, 8, {{{0xff}}}},                        /* multicast */
    {EGRESS_METADATA, 10, {{{0xfe, 0x80}}}},             /* link-local */
    {EGRESS_METADATA, 32, {{{0xfd, 0x00, 0x0e, 0xc2}}}}, /* fd00:ec2::254 and others, AWS */
    {EGRESS_METADATA, 128, {{{0xfd, 0x20, 0x00, 0xce, [14] = 0x02, [15] = 0x54}}}}, /* Google */
    {EGRESS_METADATA, 128, {{{0xfd, 0x00, 0x00, 0x42, [15] = 0x42}}}},              /* Scaleway */
    {EGRESS_METADATA,
     128,
     {{{0xfd, 0x00, 0x00, 0xc1, [12] = 0xa9, [13] = 0xfe, [14] = 0xa9, [15] = 0xfe}}}}, /* Oracle */
    {EGRESS_METADATA,
     112,
     {{{0x00, 0x64, 0xff, 0x9b, [12] = 0xa9, [13] = 0xfe}}}}, /* 169.254.0.0/16 behind NAT64 */
};

/* ---------------------------------------------------------------- the program */

static void emit(struct egress_program *p, uint16_t code, unsigned yes, unsigned no, uint32_t k)
{
    if (p->count == EGRESS_INSTRUCTIONS_MAX)
        p->overflow = true;
    else
        p->code[p->count++] = (struct sock_filter){code, (uint8_t)yes, (uint8_t)no, k};
}

static void load(struct egress_program *p, uint16_t size, uint32_t at)
{
    emit(p, (uint16_t)(BPF_LD | BPF_ABS | size), 0, 0, at);
}

/* If A is k, skips `yes` instructions; else `no`. */
static void branch(struct egress_program *p, uint32_t k, unsigned yes, unsigned no)
{
    emit(p, BPF_JMP | BPF_JEQ | BPF_K, yes, no, k);
}

static void finish(struct egress_program *p, int verdict)
{
    emit(p, BPF_RET | BPF_K, 0, 0, (uint32_t)verdict);
}

/* Emits a jump to a place that is not known yet; land() sets it. */
static size_t leap(struct egress_program *p)
{
    size_t at = p->count;
    emit(p, BPF_JMP | BPF_JA, 0, 0, 0);
    return at;
}

static void land(struct egress_program *p, size_t from)
{
    if (!p->overflow)
        p->code[from].k = (uint32_t)(p->count - from - 1);
}

static bool is_open(unsigned opened_by, unsigned allowed)
{
    return (opened_by & allowed) != 0;
}

/* Allows port 53 of a server, in packets that contain their ports. */
static void allow_server_v4(struct egress_program *p, struct in_addr server)
{
    load(p, BPF_W, AT_V4_TO);
    branch(p, ntohl(server.s_addr), 0, 9);
    load(p, BPF_H, AT_V4_FRAGMENT);
    emit(p, BPF_JMP | BPF_JSET | BPF_K, 7, 0, V4_OFFSET_MASK);
    load(p, BPF_B, AT_V4_PROTOCOL);
    branch(p, IPPROTO_UDP, 1, 0);
    branch(p, IPPROTO_TCP, 0, 4);
    emit(p, BPF_LDX | BPF_B | BPF_MSH, 0, 0, AT_IP);
    emit(p, BPF_LD | BPF_H | BPF_IND, 0, 0, AT_V4_PORT);
    branch(p, DNS_PORT, 0, 1);
    finish(p, ACCEPT);
}

static void compile_v4(struct egress_program *p, unsigned allowed, const struct egress_address *own,
                       size_t own_count, const struct resolver *names)
{
    struct in_addr server;
    for (size_t i = 0; i < names->count; i++)
        if (inet_pton(AF_INET, names->servers[i], &server) == 1)
            allow_server_v4(p, server);
    for (size_t i = 0; i < sizeof(ranges_v4) / sizeof(ranges_v4[0]); i++) {
        const struct range_v4 *r = &ranges_v4[i];
        if (is_open(r->opened_by, allowed))
            continue;
        load(p, BPF_W, AT_V4_TO);
        emit(p, BPF_ALU | BPF_AND | BPF_K, 0, 0, r->mask);
        branch(p, r->network, 0, 1);
        finish(p, DROP);
    }
    load(p, BPF_W, AT_V4_TO);
    for (size_t i = 0; i < own_count && !(allowed & EGRESS_HOST); i++) {
        if (own[i].v6)
            continue;
        branch(p, ntohl(own[i].v4.s_addr), 0, 1);
        finish(p, DROP);
    }
    finish(p, ACCEPT);
}

/* Loads the words of the address from the program's memory. That is one instruction of the kernel;
 * a load from the packet is ten, and the size of a socket's filter is limited. If the address
 * differs, the program continues `skip` instructions after this comparison. */
static void compare_v6(struct egress_program *p, const struct in6_addr *address, unsigned bits,
                       unsigned skip)
{
    unsigned words = (bits + 31) / 32, partial = bits % 32;
    unsigned left = 2 * words + (partial ? 1 : 0);
    for (unsigned i = 0; i < words; i++) {
        uint32_t word;
        memcpy(&word, &address->s6_addr[4 * i], sizeof(word));
        emit(p, BPF_LD | BPF_MEM, 0, 0, i);
        left--;
        if (partial && i == words - 1) {
            emit(p, BPF_ALU | BPF_AND | BPF_K, 0, 0, ~0u << (32 - partial));
            left--;
        }
        left--;
        branch(p, ntohl(word), 0, left + skip);
    }
}

static void drop_v6(struct egress_program *p, const struct in6_addr *address, unsigned bits)
{
    compare_v6(p, address, bits, 1);
    finish(p, DROP);
}

static void allow_server_v6(struct egress_program *p, const struct in6_addr *server)
{
    compare_v6(p, server, 128, 6);
    load(p, BPF_B, AT_V6_PROTOCOL);
    branch(p, IPPROTO_UDP, 1, 0);
    branch(p, IPPROTO_TCP, 0, 3);
    load(p, BPF_H, AT_V6_PORT);
    branch(p, DNS_PORT, 0, 1);
    finish(p, ACCEPT);
}

static void compile_v6(struct egress_program *p, unsigned allowed, const struct egress_address *own,
                       size_t own_count, const struct resolver *names)
{
    struct in6_addr server;
    load(p, BPF_B, AT_V6_PROTOCOL);
    branch(p, IPPROTO_ICMPV6, 0, 4);
    load(p, BPF_B, AT_V6_PAYLOAD);
    emit(p, BPF_JMP | BPF_JGE | BPF_K, 0, 2, NDP_FIRST);
    emit(p, BPF_JMP | BPF_JGT | BPF_K, 1, 0, NDP_LAST);
    finish(p, ACCEPT);
    for (unsigned i = 0; i < 4; i++) {
        load(p, BPF_W, AT_V6_TO + 4 * i);
        emit(p, BPF_ST, 0, 0, i);
    }
    for (size_t i = 0; i < names->count; i++)
        if (inet_pton(AF_INET6, names->servers[i], &server) == 1)
            allow_server_v6(p, &server);
    for (size_t i = 0; i < sizeof(ranges_v6) / sizeof(ranges_v6[0]); i++)
        if (!is_open(ranges_v6[i].opened_by, allowed))
            drop_v6(p, &ranges_v6[i].network, ranges_v6[i].bits);
    for (size_t i = 0; i < own_count && !(allowed & EGRESS_HOST); i++)
        /* Every interface has a link-local address; one rule blocks them all. */
        if (own[i].v6 &&
            (is_open(EGRESS_METADATA, allowed) || !IN6_IS_ADDR_LINKLOCAL(&own[i].v6_address)))
            drop_v6(p, &own[i].v6_address, 128);
    finish(p, ACCEPT);
}

void egress_compile(struct egress_program *out, unsigned allowed, const struct egress_address *own,
                    size_t own_count, const struct resolver *names)
{
    out->count = 0;
    out->overflow = false;
    load(out, BPF_H, AT_ETHERTYPE);
    branch(out, ETHERTYPE_ARP, 0, 1);
    finish(out, ACCEPT);
    branch(out, ETHERTYPE_IP, 0, 1);
    size_t v4 = leap(out);
    branch(out, ETHERTYPE_IPV6, 0, 1);
    size_t v6 = leap(out);
    finish(out, DROP);
    land(out, v4);
    compile_v4(out, allowed, own, own_count, names);
    land(out, v6);
    compile_v6(out, allowed, own, own_count, names);
}

/* ---------------------------------------------------------------- the host */

int egress_own_addresses(struct egress_address **out, size_t *count)
{
    struct ifaddrs *all;
    size_t most = 0, n = 0;
    if (getifaddrs(&all) < 0)
        return -1;
    for (const struct ifaddrs *a = all; a; a = a->ifa_next)
        most++;
    struct egress_address *list = calloc(most + 1, sizeof(*list));
    for (const struct ifaddrs *a = all; list && a; a = a->ifa_next) {
        int family = a->ifa_addr ? a->ifa_addr->sa_family : AF_UNSPEC;
        if (family == AF_INET)
            list[n++].v4 = ((const struct sockaddr_in *)(const void *)a->ifa_addr)->sin_addr;
        else if (family == AF_INET6)
            list[n++] = (struct egress_address){
                .v6 = true,
                .v6_address = ((const struct sockaddr_in6 *)(const void *)a->ifa_addr)->sin6_addr};
    }
    freeifaddrs(all);
    *out = list;
    *count = n;
    return list ? 0 : -1;
}

static bool is_tap(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) &&
           st.st_rdev == makedev(TUN_MAJOR, TUN_MINOR);
}

static int find_tap(int pidfd)
{
    for (int number = 0; number < FDS_MAX; number++) {
        cleanup_close int fd = pidfd_getfd(pidfd, number, 0);
        if (fd >= 0 && is_tap(fd))
            return steal_fd(&fd);
        if (fd < 0 && errno != EBADF)
            return -1;
    }
    errno = ENODEV;
    return -1;
}

int egress_attach(int *tap, int pidfd, unsigned allowed, const struct resolver *names)
{
    cleanup_free struct egress_address *own = NULL;
    cleanup_free struct egress_program *program = malloc(sizeof(*program));
    size_t count;
    if (!program || egress_own_addresses(&own, &count) < 0)
        return -1;
    egress_compile(program, allowed, own, count, names);
    if (program->overflow) {
        errno = E2BIG;
        return -1;
    }
    if (*tap < 0)
        *tap = find_tap(pidfd);
    struct sock_fprog filter = {(unsigned short)program->count, program->code};
    return *tap < 0 ? -1 : ioctl(*tap, TUNATTACHFILTER, &filter);
}

int egress_watch(void)
{
    struct sockaddr_nl groups = {.nl_family = AF_NETLINK,
                                 .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR};
    cleanup_close int fd =
        socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    return fd >= 0 && bind(fd, (struct sockaddr *)&groups, sizeof(groups)) == 0 ? steal_fd(&fd)
                                                                                : -1;
}

void egress_drain(int watch)
{
    char bytes[8192];
    /* ENOBUFS says that some messages were lost. Something has changed in that case too. */
    while (recv(watch, bytes, sizeof(bytes), 0) >= 0 || errno == ENOBUFS || errno == EINTR)
        continue;
}
