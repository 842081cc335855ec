/* SPDX-License-Identifier: MIT */
/* The translation of the distribution's seccomp profile: never wider than what goes in. */
#include "host/seccomp_profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static json_t *translate(const char *text)
{
    json_t *profile = json_loads(text, 0, NULL), *out = NULL;
    lr_error err = {0};
    assert_non_null(profile);
    assert_int_equal(seccomp_profile_translate(&out, profile, &err), 0);
    json_decref(profile);
    return out;
}

/* The action of the first rule without conditions that names the call, or NULL. */
static const char *action_of(const json_t *seccomp, const char *call)
{
    json_t *rule, *name;
    size_t i, j;
    json_array_foreach(json_object_get(seccomp, "syscalls"), i, rule)
        json_array_foreach(json_object_get(rule, "names"), j,
                           name) if (strcmp(json_string_value(name), call) ==
                                     0) return json_string_value(json_object_get(rule, "action"));
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
        lr_error err = {0};
        assert_int_equal(seccomp_profile_translate(&out, profile, &err), -1);
        assert_int_equal(err.code, LR_CONTAINER_START_FAILED);
        json_decref(profile);
    }
}

static void a_missing_profile_is_refused_with_a_hint(void **state)
{
    (void)state;
    json_t *out;
    lr_error err = {0};
    assert_int_equal(seccomp_profile_load(&out, "/nonexistent/seccomp.json", &err), -1);
    assert_non_null(strstr(err.hint, "apt-get install"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_that_need_a_capability_are_left_out),
        cmocka_unit_test(other_architectures_are_left_out),
        cmocka_unit_test(what_is_refused_here_wins_over_the_profile),
        cmocka_unit_test(a_deny_list_is_refused),
        cmocka_unit_test(a_missing_profile_is_refused_with_a_hint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
