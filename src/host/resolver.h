/* SPDX-License-Identifier: MIT */
/* The name servers of a sandbox: those that the request names, else those that the host asks. */
#ifndef HOST_RESOLVER_H
#define HOST_RESOLVER_H

#include <netinet/in.h>
#include <stddef.h>

/* As many as libc asks. */
enum { RESOLVER_MAX = 3 };

/* Where the host says which servers it asks; RESOLVER_UPSTREAM is for a host whose own is systemd-resolved on loopback. */
#define RESOLVER_FILE     "/etc/resolv.conf"
#define RESOLVER_UPSTREAM "/run/systemd/resolve/resolv.conf"

struct resolver {
    char servers[RESOLVER_MAX][INET6_ADDRSTRLEN];
    size_t count;
    char host[INET_ADDRSTRLEN]; /* the host's own on loopback, if that is all there is; else "" */
};

/* `asked`: NULL-terminated checked addresses; NULL: the host's. No server at all is no error. */
void resolver_find(struct resolver *out, char *const *asked);

/* The text of a resolv.conf with these servers, and its length. */
enum { RESOLVER_TEXT_MAX = RESOLVER_MAX * (INET6_ADDRSTRLEN + 16) };
size_t resolver_text(char out[RESOLVER_TEXT_MAX], const struct resolver *r);

/* The same as resolver_find(), with files in the place of the host's, for tests. */
void resolver_read(struct resolver *out, const char *file, const char *upstream);

#endif
