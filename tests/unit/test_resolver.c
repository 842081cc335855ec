/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "host/resolver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Returns the servers for this resolv.conf and its upstream file, with spaces between them. The
 * host's own server follows after a slash. */
static const char *found(const char *file, const char *upstream)
{
    static char text[256];
    char paths[2][32] = {"/tmp/lr-resolver-XXXXXX", "/tmp/lr-upstream-XXXXXX"};
    const char *const contents[] = {file, upstream};
    struct resolver r;
    for (int i = 0; i < 2; i++) {
        int fd = mkstemp(paths[i]);
        assert_return_code(fd, errno);
        assert_return_code(
            write(fd, contents[i] ? contents[i] : "", strlen(contents[i] ? contents[i] : "")),
            errno);
        close(fd);
        if (!contents[i])
            unlink(paths[i]);
    }
    resolver_read(&r, paths[0], paths[1]);
    unlink(paths[0]);
    unlink(paths[1]);
    text[0] = '\0';
    for (size_t i = 0; i < r.count; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "",
                 r.servers[i]);
    if (r.host[0])
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "/%s", r.host);
    return text;
}

static void test_servers_of_the_host(void **state)
{
    (void)state;
    assert_string_equal(found("nameserver 192.0.2.53\n", NULL), "192.0.2.53");
    assert_string_equal(
        found(
            "# nameserver 192.0.2.1\nsearch example\n\tnameserver\t192.0.2.53 # x\r\n"
            "nameserver 2001:db8::53\noptions edns0\nnameserver 192.0.2.54\nnameserver 192.0.2.55",
            NULL),
        "192.0.2.53 2001:db8::53 192.0.2.54");
    assert_string_equal(
        found("nameserver fe80::1%eth0\nnameserver fe80::1\nnameserver example\nnameserver\n"
              "nameservers 192.0.2.1\nnameserver 192.0.2.256\n",
              NULL),
        "");
    assert_string_equal(found(NULL, NULL), "");
}

static void test_host_with_a_server_on_loopback(void **state)
{
    (void)state;
    assert_string_equal(found("nameserver 127.0.0.53\n", "nameserver 192.0.2.53\n"), "192.0.2.53");
    assert_string_equal(found("nameserver 127.0.0.53\n", NULL), "/127.0.0.53");
    assert_string_equal(found("nameserver ::1\nnameserver 127.0.0.1\n", "nameserver 127.0.0.2\n"),
                        "/127.0.0.1");
    assert_string_equal(found("nameserver ::1\n", NULL), "");
    assert_string_equal(
        found("nameserver 127.0.0.1\nnameserver 192.0.2.53\n", "nameserver 192.0.2.54\n"),
        "192.0.2.53");
}

static void test_servers_of_a_request(void **state)
{
    (void)state;
    char *asked[] = {(char *)"192.0.2.53", (char *)"2001:db8::53", NULL};
    char text[RESOLVER_TEXT_MAX];
    struct resolver r;
    resolver_find(&r, asked);
    size_t length = resolver_text(text, &r);
    assert_string_equal(text, "nameserver 192.0.2.53\nnameserver 2001:db8::53\n");
    assert_int_equal(length, strlen(text));
    resolver_find(&r, asked + 2);
    char *none = NULL;
    resolver_find(&r, &none); /* the servers of this host, whatever they are */
    assert_true(r.count <= RESOLVER_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_servers_of_the_host),
        cmocka_unit_test(test_host_with_a_server_on_loopback),
        cmocka_unit_test(test_servers_of_a_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
