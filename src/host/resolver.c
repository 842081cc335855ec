/* SPDX-License-Identifier: MIT */
#include "host/resolver.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { FILE_MAX = 64 * 1024 };

/* Of no use: a link-local address of IPv6, which is valid on one link of the host only; and a
 * server on ::1, because pasta forwards IPv4. */
enum reach { OF_NO_USE, ON_LOOPBACK, REACHABLE };

static enum reach reach_of(const char *text)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, text, &v4) == 1) {
        uint32_t first = ntohl(v4.s_addr) >> 24;
        return first == 127 || first == 0 ? ON_LOOPBACK : REACHABLE;
    }
    return inet_pton(AF_INET6, text, &v6) != 1 || IN6_IS_ADDR_LINKLOCAL(&v6) ||
                   IN6_IS_ADDR_LOOPBACK(&v6) || IN6_IS_ADDR_UNSPECIFIED(&v6)
               ? OF_NO_USE
               : REACHABLE;
}

static void read_file(struct resolver *out, const char *path)
{
    static const char blanks[] = " \t\r";
    cleanup_free char *text = io_read_file_at(AT_FDCWD, path, FILE_MAX, NULL);
    char *rest = NULL;
    for (char *line = text ? strtok_r(text, "\n", &rest) : NULL; line;
         line = strtok_r(NULL, "\n", &rest)) {
        char *words = NULL, *key = strtok_r(line, blanks, &words);
        const char *server = key ? strtok_r(NULL, blanks, &words) : NULL;
        if (!server || strcmp(key, "nameserver") != 0)
            continue;
        enum reach reach = reach_of(server);
        if (reach == ON_LOOPBACK && !out->host[0])
            snprintf(out->host, sizeof(out->host), "%s", server);
        if (reach == REACHABLE && out->count < RESOLVER_MAX)
            snprintf(out->servers[out->count++], sizeof(out->servers[0]), "%s", server);
    }
}

void resolver_read(struct resolver *out, const char *file, const char *upstream)
{
    *out = (struct resolver){0};
    read_file(out, file);
    if (out->count == 0)
        read_file(out, upstream);
    if (out->count > 0)
        out->host[0] = '\0';
}

void resolver_find(struct resolver *out, char *const *asked)
{
    if (!asked || !*asked) {
        resolver_read(out, RESOLVER_FILE, RESOLVER_UPSTREAM);
        return;
    }
    *out = (struct resolver){0};
    for (; *asked && out->count < RESOLVER_MAX; asked++)
        snprintf(out->servers[out->count++], sizeof(out->servers[0]), "%s", *asked);
}

size_t resolver_text(char out[RESOLVER_TEXT_MAX], const struct resolver *r)
{
    size_t length = 0;
    out[0] = '\0';
    for (size_t i = 0; i < r->count; i++)
        length += (size_t)snprintf(out + length, RESOLVER_TEXT_MAX - length, "nameserver %s\n",
                                   r->servers[i]);
    return length;
}
