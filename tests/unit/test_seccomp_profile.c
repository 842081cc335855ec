/* SPDX-License-Identifier: MIT */
/* The translation of the distribution's seccomp profile never allows more than the profile. */
#include "policy/seccomp_profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>

static json_t *translate(const char *text)
{
    json_t *profile = json_loads(text, 0, NULL), *out = NULL;
    lrun_error err = {0};
    assert_non_null(profile);
    assert_int_equal(seccomp_profile_translate(&out, profile, &err), 0);
    json_decref(profile);
    return out;
}

/* Returns the action of the first rule that names the call, or NULL. */
static const char *action_of(const json_t *seccomp, const char *call)
{
    json_t *rule, *name;
    size_t i, j;
    json_array_foreach (json_object_get(seccomp, "syscalls"), i, rule)
        json_array_foreach (json_object_get(rule, "names"), j, name)
            if (strcmp(json_string_value(name), call) == 0)
                return json_string_value(json_object_get(rule, "action"));
    return NULL;
}

static void calls_that_need_a_capability_are_left_out(void **state)
{
    (void)state;
    json_t *s = translate("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":["
                          "{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\"},"
                          "{\"names\":[\"sys_x\"],\"action\":\"SCMP_ACT_ALLOW\","
                          "\"includes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}}]}");
    assert_string_equal(action_of(s, "read"), "SCMP_ACT_ALLOW");
    assert_null(action_of(s, "sys_x"));
    json_decref(s);
}

static void other_architectures_are_left_out(void **state)
{
    (void)state;
    json_t *s = translate("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":["
                          "{\"names\":[\"s390_x\"],\"action\":\"SCMP_ACT_ALLOW\","
                          "\"includes\":{\"arches\":[\"s390x\"]}}]}");
    assert_null(action_of(s, "s390_x"));
    assert_int_equal(json_array_size(json_object_get(s, "architectures")), 1);
    json_decref(s);
}

static void what_is_refused_here_wins_over_the_profile(void **state)
{
    (void)state;
    json_t *s = translate(
        "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":["
        "{\"names\":[\"mount\",\"unshare\",\"keyctl\",\"io_uring_setup\",\"clone3\",\"write\"],"
        "\"action\":\"SCMP_ACT_ALLOW\"}]}");
    static const char *const calls[] = {"mount", "unshare", "keyctl", "io_uring_setup", "clone3"};
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        assert_string_equal(action_of(s, calls[i]), "SCMP_ACT_ERRNO");
    assert_string_equal(action_of(s, "write"), "SCMP_ACT_ALLOW");
    json_decref(s);
}

/* -------------------------------------------------------------- rules that look at arguments */

static bool holds(const json_t *comparison, const uint64_t args[6])
{
    uint64_t have = args[json_integer_value(json_object_get(comparison, "index"))];
    uint64_t value = (uint64_t)json_integer_value(json_object_get(comparison, "value"));
    uint64_t second = (uint64_t)json_integer_value(json_object_get(comparison, "valueTwo"));
    const char *op = json_string_value(json_object_get(comparison, "op"));
    if (strcmp(op, "SCMP_CMP_EQ") == 0)
        return have == value;
    if (strcmp(op, "SCMP_CMP_GT") == 0)
        return have > value;
    assert_string_equal(op, "SCMP_CMP_MASKED_EQ");
    return (have & value) == second;
}

static bool matches(const json_t *rule, const char *call, const uint64_t args[6])
{
    const json_t *name, *comparison;
    size_t i;
    bool named = false;
    json_array_foreach (json_object_get(rule, "names"), i, name)
        named = named || strcmp(json_string_value(name), call) == 0;
    json_array_foreach (json_object_get(rule, "args"), i, comparison)
        named = named && holds(comparison, args);
    return named;
}

enum { ALLOWED = -1, NO_RULE = -2 };

/* Returns ALLOWED, an errno, or NO_RULE. Rules with different actions must not both match. */
static int verdict(const json_t *seccomp, const char *call, uint64_t first, uint64_t second,
                   uint64_t third, uint64_t fourth)
{
    const uint64_t args[6] = {first, second, third, fourth};
    const json_t *rule;
    size_t i;
    int seen = NO_RULE;
    json_array_foreach (json_object_get(seccomp, "syscalls"), i, rule) {
        if (!matches(rule, call, args))
            continue;
        const char *action = json_string_value(json_object_get(rule, "action"));
        int now = strcmp(action, "SCMP_ACT_ALLOW") == 0
                      ? ALLOWED
                      : (int)json_integer_value(json_object_get(rule, "errnoRet"));
        assert_true(seen == NO_RULE || seen == now);
        seen = now;
    }
    return seen;
}

/* A profile that allows these calls, as a distribution's profile might. */
#define WIDE                                                                                       \
    "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[\"socket\",\"socketpair\","   \
    "\"mmap\",\"clone\","                                                                          \
    "\"memfd_create\",\"shmget\",\"sync\",\"syncfs\",\"io_setup\",\"socketcall\",\"ipc\",\"pidfd_" \
    "getfd\",\"fsync\"],"                                                                          \
    "\"action\":\"SCMP_ACT_ALLOW\"},{\"names\":[\"socket\"],\"action\":\"SCMP_ACT_ALLOW\","        \
    "\"args\":["                                                                                   \
    "{\"index\":2,\"value\":9,\"valueTwo\":0,\"op\":\"SCMP_CMP_NE\"}]}]}"

/* Checks the whole profile, and the refusals that are added to another profile. */
static void with_both(void (*check)(const json_t *seccomp))
{
    lrun_error err = {0};
    json_t *s = translate(WIDE), *refusals = NULL;
    check(s);
    json_decref(s);
    assert_int_equal(seccomp_profile_refusals(&refusals, &err), 0);
    assert_string_equal(json_string_value(json_object_get(refusals, "defaultAction")),
                        "SCMP_ACT_ALLOW");
    check(refusals);
    json_decref(refusals);
}

static void check_sockets(const json_t *s)
{
    for (uint64_t family = 0; family < 64; family++) {
        bool usual = family == AF_UNIX || family == AF_INET || family == AF_INET6;
        if (family != AF_NETLINK)
            assert_int_equal(verdict(s, "socket", family, SOCK_STREAM, 0, 0),
                             usual ? ALLOWED : EAFNOSUPPORT);
        assert_int_equal(verdict(s, "socketpair", family, SOCK_STREAM, 0, 0),
                         family == AF_UNIX ? ALLOWED : EAFNOSUPPORT);
        /* The kernel reads only the lower half of the argument. */
        assert_int_equal(verdict(s, "socket", family | 1ULL << 32, SOCK_STREAM, 0, 0),
                         EAFNOSUPPORT);
    }
    for (uint64_t protocol = 0; protocol < 64; protocol++) {
        bool usual = protocol == 0 || protocol == 4 || protocol == 15 || protocol == 16;
        assert_int_equal(verdict(s, "socket", AF_NETLINK, SOCK_RAW, protocol, 0),
                         usual ? ALLOWED : EPROTONOSUPPORT);
        assert_int_equal(verdict(s, "socket", AF_NETLINK, SOCK_RAW, protocol | 1ULL << 32, 0),
                         EPROTONOSUPPORT);
    }
    /* Calls that would bypass these rules on 32-bit machines. */
    assert_int_equal(verdict(s, "socketcall", 1, 0, 0, 0), NO_RULE);
    assert_int_equal(verdict(s, "ipc", 23, 0, 0, 0), NO_RULE);
}

static void the_usual_address_families_are_left(void **state)
{
    (void)state;
    with_both(check_sockets);
}

static void check_pools(const json_t *s)
{
    assert_int_equal(verdict(s, "mmap", 0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS), ALLOWED);
    assert_int_equal(verdict(s, "mmap", 0, 4096, 3, MAP_PRIVATE | MAP_HUGETLB | 21 << 26), ENOMEM);
    assert_int_equal(verdict(s, "memfd_create", 0, MFD_CLOEXEC, 0, 0), ALLOWED);
    assert_int_equal(verdict(s, "memfd_create", 0, MFD_HUGETLB | MFD_CLOEXEC, 0, 0), ENOMEM);
    assert_int_equal(verdict(s, "shmget", 0, 4096, 0600 | IPC_CREAT, 0), ALLOWED);
    assert_int_equal(verdict(s, "shmget", 0, 4096, 0600 | SHM_HUGETLB, 0), ENOMEM);
    assert_int_equal(verdict(s, "io_setup", 1, 0, 0, 0), ENOSYS);
    assert_int_equal(verdict(s, "sync", 0, 0, 0, 0), 0);
    assert_int_equal(verdict(s, "syncfs", 0, 0, 0, 0), 0);
    assert_int_equal(verdict(s, "pidfd_getfd", 0, 0, 0, 0), EPERM);
}

static void pools_of_the_machine_are_out_of_reach(void **state)
{
    (void)state;
    with_both(check_pools);
}

static void check_clone(const json_t *s)
{
    static const unsigned flags[] = {CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                                     CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET};
    assert_int_equal(verdict(s, "clone", CLONE_VM | SIGCHLD, 0, 0, 0), ALLOWED);
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        assert_int_equal(verdict(s, "clone", flags[i] | SIGCHLD, 0, 0, 0), EPERM);
    assert_int_equal(verdict(s, "clone", CLONE_NEWUSER | CLONE_NEWNET, 0, 0, 0), EPERM);
}

static void clone_makes_no_namespaces(void **state)
{
    (void)state;
    with_both(check_clone);
}

static void a_rule_that_excludes_this_machine_is_left_out(void **state)
{
    (void)state;
    json_t *s = translate("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":["
                          "{\"names\":[\"here\"],\"action\":\"SCMP_ACT_ALLOW\",\"excludes\":{"
                          "\"arches\":[\"amd64\",\"arm64\"]}},"
                          "{\"names\":[\"there\"],\"action\":\"SCMP_ACT_ALLOW\",\"excludes\":{"
                          "\"arches\":[\"s390x\"]}}]}");
    assert_null(action_of(s, "here"));
    assert_string_equal(action_of(s, "there"), "SCMP_ACT_ALLOW");
    json_decref(s);
}

static void a_deny_list_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[]}",
        "{\"syscalls\":[]}",
        "{\"defaultAction\":\"SCMP_ACT_ERRNO\"}",
        "[]",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        json_t *profile = json_loads(bad[i], 0, NULL), *out = NULL;
        lrun_error err = {0};
        assert_int_equal(seccomp_profile_translate(&out, profile, &err), -1);
        assert_int_equal(err.code, LRUN_START_FAILED);
        json_decref(profile);
    }
}

static void a_missing_profile_is_refused_with_a_hint(void **state)
{
    (void)state;
    json_t *out;
    lrun_error err = {0};
    assert_int_equal(seccomp_profile_load(&out, "/nonexistent/seccomp.json", &err), -1);
    assert_non_null(strstr(err.hint, "apt-get install"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_that_need_a_capability_are_left_out),
        cmocka_unit_test(other_architectures_are_left_out),
        cmocka_unit_test(what_is_refused_here_wins_over_the_profile),
        cmocka_unit_test(the_usual_address_families_are_left),
        cmocka_unit_test(pools_of_the_machine_are_out_of_reach),
        cmocka_unit_test(clone_makes_no_namespaces),
        cmocka_unit_test(a_rule_that_excludes_this_machine_is_left_out),
        cmocka_unit_test(a_deny_list_is_refused),
        cmocka_unit_test(a_missing_profile_is_refused_with_a_hint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
