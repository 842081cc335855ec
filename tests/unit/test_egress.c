/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "host/egress.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/ethernet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The kernel runs the filter program on frames that a pair of sockets carries. */
struct fixture {
    int from, to;
    struct egress_program program;
};

enum { FRAME = 128, SYN_PORT = 80 };

static int setup(void **state)
{
    static struct fixture f;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        return -1;
    f.from = pair[0];
    f.to = pair[1];
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    const struct fixture *f = *state;
    close(f->from);
    close(f->to);
    return 0;
}

static void attach(struct fixture *f, unsigned allowed, const struct egress_address *own,
                   size_t count, const struct resolver *names)
{
    static const struct resolver nobody;
    egress_compile(&f->program, allowed, own, count, names ? names : &nobody);
    assert_false(f->program.overflow);
    struct sock_fprog filter = {(unsigned short)f->program.count, f->program.code};
    assert_return_code(setsockopt(f->to, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)),
                       errno);
}

static bool passes(const struct fixture *f, const uint8_t *frame, size_t length)
{
    char got[FRAME];
    assert_true(send(f->from, frame, length, 0) == (ssize_t)length || errno == EPERM);
    ssize_t n = recv(f->to, got, sizeof(got), 0);
    assert_true(n < 0 || n == (ssize_t)length);
    return n >= 0;
}

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* `to` is an address of either family. `port` is a TCP or UDP port, or the type of an ICMPv6
 * message. */
static bool reaches_by(const struct fixture *f, const char *to, int protocol, unsigned port)
{
    uint8_t frame[FRAME] = {0}, *ip = frame + 14;
    if (inet_pton(AF_INET, to, ip + 16) == 1) {
        put16(frame + 12, ETHERTYPE_IP);
        ip[0] = 0x46; /* four bytes of options, so that the ports are not at a fixed place */
        ip[9] = (uint8_t)protocol;
        put16(ip + 24 + 2, port);
    } else {
        assert_int_equal(inet_pton(AF_INET6, to, ip + 24), 1);
        put16(frame + 12, ETHERTYPE_IPV6);
        ip[0] = 0x60;
        ip[6] = (uint8_t)protocol;
        if (protocol == IPPROTO_ICMPV6)
            ip[40] = (uint8_t)port;
        else
            put16(ip + 40 + 2, port);
    }
    return passes(f, frame, sizeof(frame));
}

static bool reaches(const struct fixture *f, const char *to)
{
    bool tcp = reaches_by(f, to, IPPROTO_TCP, SYN_PORT);
    bool udp = reaches_by(f, to, IPPROTO_UDP, SYN_PORT);
    assert_int_equal(tcp, udp);
    return tcp;
}

static const char *const metadata[] = {"169.254.169.254",
                                       "169.254.0.1",
                                       "169.254.255.255",
                                       "100.100.100.200",
                                       "100.96.0.96",
                                       "168.63.129.16",
                                       "192.0.0.192",
                                       "fe80::1",
                                       "febf::1",
                                       "fd00:ec2::254",
                                       "fd00:ec2::23",
                                       "fd20:ce::254",
                                       "fd00:42::42",
                                       "fd00:c1::a9fe:a9fe",
                                       "64:ff9b::169.254.169.254",
                                       NULL};
static const char *const host[] = {"203.0.113.7", "2001:db8::7", "224.0.0.251", "255.255.255.255",
                                   "ff02::fb",    "240.0.0.1",   NULL};
static const char *const never[] = {
    "127.0.0.1", "127.255.255.255", "0.0.0.0", "::", "::1", "::ffff:127.0.0.1", NULL};
static const char *const elsewhere[] = {
    "203.0.113.6",     "203.0.113.8",     "2001:db8::8",      "2001:db8::107", "10.0.0.1",
    "169.253.255.255", "169.255.0.1",     "128.0.0.1",        "126.255.0.1",   "223.255.255.1",
    "1.0.0.1",         "100.100.100.201", "192.0.2.1",        "fec0::1",       "fd00:ec3::254",
    "fd20:ce::253",    "2606::1",         "64:ff9b::1.2.3.4", "168.63.129.17", NULL};

static void own_addresses(struct egress_address own[2])
{
    own[0] = (struct egress_address){.v6 = false};
    own[1] = (struct egress_address){.v6 = true};
    inet_pton(AF_INET, "203.0.113.7", &own[0].v4);
    inet_pton(AF_INET6, "2001:db8::7", &own[1].v6_address);
}

static void check(const struct fixture *f, const char *const *list, bool wanted)
{
    for (; *list; list++)
        if (reaches(f, *list) != wanted)
            fail_msg("%s is %s", *list, wanted ? "closed" : "open");
}

static void test_what_is_closed(void **state)
{
    struct fixture *f = *state;
    struct egress_address own[2];
    own_addresses(own);
    for (unsigned allowed = 0; allowed < 4; allowed++) {
        attach(f, allowed, own, 2, NULL);
        check(f, never, false);
        check(f, elsewhere, true);
        check(f, host, allowed & EGRESS_HOST);
        check(f, metadata, allowed & EGRESS_METADATA);
    }
}

static void test_own_link_local_address(void **state)
{
    struct fixture *f = *state;
    struct egress_address own = {.v6 = true};
    inet_pton(AF_INET6, "fe80::7", &own.v6_address);
    attach(f, EGRESS_METADATA, &own, 1, NULL);
    assert_false(reaches(f, "fe80::7"));
    assert_true(reaches(f, "fe80::8"));
}

/* Port 53 of a name server is open, whatever its address; its other ports are not. */
static void test_name_servers(void **state)
{
    struct fixture *f = *state;
    struct egress_address own[2];
    const struct resolver names = {.servers = {"203.0.113.7", "2001:db8::7", "169.254.1.1"},
                                   .count = 3};
    own_addresses(own);
    attach(f, 0, own, 2, &names);
    for (size_t i = 0; i < names.count; i++) {
        const char *server = names.servers[i];
        assert_false(reaches(f, server));
        assert_true(reaches_by(f, server, IPPROTO_UDP, 53));
        assert_true(reaches_by(f, server, IPPROTO_TCP, 53));
        assert_false(reaches_by(f, server, IPPROTO_SCTP, 53));
        assert_false(reaches_by(f, server, IPPROTO_UDP, 54));
    }
    assert_false(reaches_by(f, "169.254.1.2", IPPROTO_UDP, 53));
}

/* A later fragment has no ports: it has data in their place. */
static void test_fragment_to_a_name_server(void **state)
{
    struct fixture *f = *state;
    const struct resolver names = {.servers = {"169.254.1.1"}, .count = 1};
    uint8_t frame[FRAME] = {0}, *ip = frame + 14;
    attach(f, 0, NULL, 0, &names);
    put16(frame + 12, ETHERTYPE_IP);
    ip[0] = 0x45;
    ip[9] = IPPROTO_UDP;
    inet_pton(AF_INET, "169.254.1.1", ip + 16);
    put16(ip + 20 + 2, 53);
    assert_true(passes(f, frame, sizeof(frame)));
    put16(ip + 6, 0x2000); /* the first fragment has ports */
    assert_true(passes(f, frame, sizeof(frame)));
    put16(ip + 6, 1);
    assert_false(passes(f, frame, sizeof(frame)));
}

/* pasta answers neighbour discovery itself. IPv6 does not work without it. */
static void test_neighbour_discovery(void **state)
{
    struct fixture *f = *state;
    attach(f, 0, NULL, 0, NULL);
    for (unsigned type = 133; type <= 136; type++) {
        assert_true(reaches_by(f, "ff02::1:ff00:1", IPPROTO_ICMPV6, type));
        assert_true(reaches_by(f, "fe80::1", IPPROTO_ICMPV6, type));
    }
    assert_false(reaches_by(f, "fe80::1", IPPROTO_ICMPV6, 128)); /* echo */
    assert_false(reaches_by(f, "fe80::1", IPPROTO_ICMPV6, 137)); /* redirect */
}

static void test_other_frames(void **state)
{
    struct fixture *f = *state;
    uint8_t frame[FRAME] = {0};
    attach(f, 0, NULL, 0, NULL);
    put16(frame + 12, ETHERTYPE_ARP);
    assert_true(passes(f, frame, sizeof(frame)));
    put16(frame + 12, 0x8100); /* VLAN */
    assert_false(passes(f, frame, sizeof(frame)));
    put16(frame + 12, ETHERTYPE_IP);
    assert_false(passes(f, frame, 20));
    assert_false(passes(f, frame, 1));
}

/* If the addresses do not fit, the program reports an overflow. It must not silently close less. */
static void test_more_addresses_than_fit(void **state)
{
    enum { MANY = BPF_MAXINSNS };
    struct fixture *f = *state;
    static const struct resolver nobody;
    static struct egress_address own[MANY];
    for (uint32_t i = 0; i < MANY; i++)
        own[i].v4.s_addr = htonl(0x0a000000 + i);
    egress_compile(&f->program, 0, own, MANY, &nobody);
    assert_true(f->program.overflow);
    attach(f, 0, own, 500, NULL);
    assert_false(reaches(f, "10.0.1.243"));
    assert_true(reaches(f, "10.0.1.244"));
}

static void test_own_addresses_are_found(void **state)
{
    (void)state;
    struct egress_address *own = NULL;
    size_t count = 0;
    bool loopback = false;
    assert_return_code(egress_own_addresses(&own, &count), errno);
    for (size_t i = 0; i < count; i++)
        loopback = loopback || (!own[i].v6 && own[i].v4.s_addr == htonl(INADDR_LOOPBACK));
    free(own);
    assert_true(loopback);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_closed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own_link_local_address, setup, teardown),
        cmocka_unit_test_setup_teardown(test_name_servers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fragment_to_a_name_server, setup, teardown),
        cmocka_unit_test_setup_teardown(test_neighbour_discovery, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_frames, setup, teardown),
        cmocka_unit_test_setup_teardown(test_more_addresses_than_fit, setup, teardown),
        cmocka_unit_test(test_own_addresses_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
