/* SPDX-License-Identifier: MIT */
/* The name servers of a sandbox: those that the request names, or else those that the host uses. */
#ifndef HOST_RESOLVER_H
#define HOST_RESOLVER_H

#include <netinet/in.h>
#include <stddef.h>

/* libc asks no more. */
enum { RESOLVER_MAX = 3 };

/* The files that list the host's name servers. RESOLVER_UPSTREAM is for a host whose own server is
 * systemd-resolved on loopback. */
#define RESOLVER_FILE     "/etc/resolv.conf"
#define RESOLVER_UPSTREAM "/run/systemd/resolve/resolv.conf"

struct resolver {
    char servers[RESOLVER_MAX][INET6_ADDRSTRLEN];
    size_t count;
    char host[INET_ADDRSTRLEN]; /* the host's server on loopback, if it has no other; else "" */
};

/* `asked`: checked addresses, NULL-terminated; NULL: the host's. Finding no server is not an
 * error. */
void resolver_find(struct resolver *out, char *const *asked);

/* Writes a resolv.conf with these servers, and returns its length. */
enum { RESOLVER_TEXT_MAX = RESOLVER_MAX * (INET6_ADDRSTRLEN + 16) };
size_t resolver_text(char out[RESOLVER_TEXT_MAX], const struct resolver *r);

/* Like resolver_find(), but reads these files instead of the host's. For tests. */
void resolver_read(struct resolver *out, const char *file, const char *upstream);

#endif
