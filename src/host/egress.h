/* SPDX-License-Identifier: MIT */
/*
 * Which addresses a sandbox may reach: a classic BPF program on pasta's tap device. Every packet
 * that leaves the sandbox passes it, whether the host's kernel, QEMU or gVisor's network stack made
 * it. (gVisor sends through a packet socket, which bypasses the routes and firewall of the
 * namespace.) The sandbox cannot remove the program.
 *
 * Never reached: unspecified, loopback and IPv4-mapped addresses, which pasta would connect to on
 * the host. Blocked unless allowed by name: EGRESS_HOST, EGRESS_METADATA. The rest of the network
 * is open. IPv6 neighbour discovery passes: pasta answers it itself.
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
    bool overflow; /* the program did not fit and must not be used */
};

/*
 * Compiles the program. `allowed`: EGRESS_... bits. `own`: the host's addresses. The name servers
 * are reachable on port 53 even if their address is blocked.
 */
void egress_compile(struct egress_program *out, unsigned allowed, const struct egress_address *own,
                    size_t own_count, const struct resolver *names);

/* Returns the addresses of all interfaces of this network namespace, malloc'd; -1 with errno. */
int egress_own_addresses(struct egress_address **out, size_t *count);

/*
 * Attaches the program, compiled for the host's current addresses, to the tap device that process
 * `pidfd` has open; replaces an earlier program. *tap is the device; if it is -1, it is found.
 * Returns 0, or -1 with errno (ENODEV: the process has no tap device; E2BIG, ENOMEM: too many
 * addresses).
 */
int egress_attach(int *tap, int pidfd, unsigned allowed, const struct resolver *names);

/* Returns a socket that becomes readable when the host's addresses change. Then call
 * egress_attach() again. Returns -1 + errno on failure. */
int egress_watch(void);

/* Reads and discards the messages on that socket. */
void egress_drain(int watch);

#endif
