/* SPDX-License-Identifier: MIT */
#include "image/reference.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <string.h>

bool reference_is_loopback(const char *reference)
{
    char host[64];
    struct in_addr address;
    const char *slash = strchr(reference, '/');
    if (!slash)
        return false; /* "localhost:5000" alone is a repository with a tag */
    size_t length = strcspn(reference, ":/");
    if (length == 0 || length >= sizeof(host))
        return false;
    memcpy(host, reference, length);
    host[length] = '\0';
    /* Text that only looks like an address ("127.1", "127.evil.example") is a name,
     * which DNS resolves. */
    return strcmp(host, "localhost") == 0 ||
           (inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127);
}

char *reference_for_skopeo(const char *reference)
{
    size_t name = strcspn(reference, "@"), length = name;
    const char *digest = reference + name;
    if (*digest) {
        /* A colon after the last slash begins a tag; a colon before it begins a port. */
        for (size_t i = 0; i < name; i++) {
            if (reference[i] == '/')
                length = name;
            else if (reference[i] == ':' && length == name)
                length = i;
        }
    }
    char *out;
    return asprintf(&out, "docker://%.*s%s", (int)length, reference, digest) < 0 ? NULL : out;
}
