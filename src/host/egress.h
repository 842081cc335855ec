/* SPDX-License-Identifier: MIT */
/*
 * Which addresses a sandbox may reach: a classic BPF program on pasta's tap device. Every packet that leaves the sandbox
 * passes it, whatever makes the packet: the host's kernel, gVisor's network stack (which sends through a packet socket, so
 * that no route or firewall of the namespace sees it) or QEMU. The sandbox cannot take the program off.
 *
 * Never reached: unspecified, loopback and IPv4-mapped addresses, which pasta would connect to on the host. Closed unless
 * allowed by name: EGRESS_HOST, EGRESS_METADATA. What is left open is the rest of the network. Of IPv6 neighbour discovery
 * passes, which pasta answers by itself.
 */
#ifndef HOST_EGRESS_H
#define HOST_EGRESS_H

#include "base/error.h"
#include "host/resolver.h"

#include <linux/filter.h>
#include <netinet/in.h>
#include <stdbool.h>

enum {
    EGRESS_HOST = 1,     /* the host's own addresses, multicast and broadcast */
    EGRESS_METADATA = 2, /* link-local addresses, and those of clouds' metadata services */
};

struct egress_address {
    bool v6;
    union {
        struct in_addr v4;
        struct in6_addr v6_address;
    };
};

enum { EGRESS_INSTRUCTIONS_MAX = BPF_MAXINSNS };

struct egress_program {
    struct sock_filter code[EGRESS_INSTRUCTIONS_MAX];
    size_t count;
    bool overflow; /* it has not fitted; it must not be used */
};

/*
 * The program. `allowed`: EGRESS_... bits. `own`: the host's addresses. The name servers are reached on port 53, also
 * where their address is closed.
 */
void egress_compile(struct egress_program *out, unsigned allowed, const struct egress_address *own,
                    size_t own_count, const struct resolver *names);

/* The addresses of all interfaces of this network namespace. malloc'd; -1 with errno. */
int egress_own_addresses(struct egress_address **out, size_t *count);

/*
 * Puts the program for the addresses of this moment on the tap device that process `pidfd` has open, or renews it. *tap is
 * the device, found if it is -1. 0, or -1 with errno (ENODEV: the process has none; E2BIG, ENOMEM: too many addresses).
 */
int egress_attach(int *tap, int pidfd, unsigned allowed, const struct resolver *names);

/* A socket that becomes readable when the host's addresses change; egress_attach() has to be called again. -1 + errno. */
int egress_watch(void);

/* Takes what has come to that socket. */
void egress_drain(int watch);

#endif
