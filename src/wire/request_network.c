/* SPDX-License-Identifier: MIT */
/*
 * The request's fields about its network.
 */
#include "wire/request.h"
#include "wire/request_fields.h"

#include <arpa/inet.h>
#include <string.h>

enum { MAX_NETWORKS = 64 };

static bool is_network_name(const char *s)
{
    size_t length = strlen(s);
    if (length == 0 || length > 255 || s[0] == '-' || s[0] == '.')
        return false;
    return s[strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")] ==
           '\0';
}

/* Returns whether a sandbox can ask a server at this address: on loopback there is only the sandbox
 * itself. */
static bool is_server_address(const char *text)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, text, &v4) == 1) {
        uint32_t first = ntohl(v4.s_addr) >> 24;
        return first != 0 && first != 127 && first < 224;
    }
    return inet_pton(AF_INET6, text, &v6) == 1 && !IN6_IS_ADDR_LOOPBACK(&v6) &&
           !IN6_IS_ADDR_UNSPECIFIED(&v6) && !IN6_IS_ADDR_MULTICAST(&v6) &&
           !IN6_IS_ADDR_LINKLOCAL(&v6) && !IN6_IS_ADDR_V4MAPPED(&v6);
}

int request_read_dns(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct request *r = out;
    if (check_copy_strings(&r->dns, field, value, REQUEST_DNS_MAX, err) < 0)
        return -1;
    for (char **server = r->dns; server && *server; server++)
        if (!is_server_address(*server))
            return check_fail(err, field,
                              "'%.80s' is not the address of a name server that a sandbox can ask",
                              *server);
    return 0;
}

int request_read_networks(void *out, const char *field, const json_t *value, lrun_error *err)
{
    struct request *r = out;
    if (json_is_string(value)) {
        json_t *list = json_pack("[O]", value);
        int rc = list ? check_copy_strings(&r->networks, field, list, 1, err)
                      : error_oom(err, REQUEST_OPERATION);
        json_decref(list);
        if (rc < 0)
            return -1;
    } else if (check_copy_strings(&r->networks, field, value, MAX_NETWORKS, err) < 0) {
        return -1;
    }
    size_t count = 0;
    bool none = false;
    for (; r->networks && r->networks[count]; count++) {
        if (!is_network_name(r->networks[count]))
            return check_fail(err, field, "'%.80s' is not the name of a network",
                              r->networks[count]);
        none = none || strcmp(r->networks[count], "none") == 0;
    }
    if (none && count > 1)
        return check_fail(err, field, "'none' cannot be combined with other networks");
    return 0;
}
