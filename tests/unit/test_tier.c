/* SPDX-License-Identifier: MIT */
/* Which evidence a tier accepts as its own, and which runtime it accepts as working. */
#include "tier/tier.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOG "<6>[   0.000000] Starting gVisor...\n<6>[    0.200000] Digging up root...\n"

static const struct tier_evidence host = {"6.1.0", "#1 SMP Debian", "", "here"};

static bool verified(const char *name, const char *release, const char *kernel, const char *log)
{
    const struct tier *tier;
    lrun_error err = {0};
    assert_int_equal(tier_find(&tier, name, &err), 0);
    const struct tier_evidence seen = {release, kernel, log, ""};
    return tier->verify(&seen, &host);
}

static void runc_is_on_the_hosts_kernel(void **state)
{
    (void)state;
    assert_true(verified("runc", "6.1.0", "#1 SMP Debian", ""));
    assert_false(verified("runc", "4.19.0-gvisor", "#1 SMP Debian", ""));
    assert_false(verified("runc", "6.1.0", "#2 SMP another", ""));
}

static void runsc_is_not_and_its_log_says_so(void **state)
{
    (void)state;
    assert_true(verified("runsc", "4.19.0-gvisor", "#1 SMP Sun Jan 10 15:06:54 PST 2016", LOG));
    /* Another kernel version is not enough, and neither is gVisor's log with the host's version. */
    assert_false(verified("runsc", "4.19.0-gvisor", "#1 SMP", ""));
    assert_false(verified("runsc", "4.19.0-gvisor", "#1 SMP", "<6>[ 0.0] Linux version 4.19.0\n"));
    assert_false(verified("runsc", "6.1.0", "#1 SMP Debian", LOG));
}

static bool is_a_guest(const char *release, const char *boot, const char *host_boot)
{
    const struct tier *tier;
    lrun_error err = {0};
    assert_int_equal(tier_find(&tier, "kata", &err), 0);
    const struct tier_evidence seen = {release, "#1 SMP Debian", "", boot};
    const struct tier_evidence here = {"6.1.0", "#1 SMP Debian", "", host_boot};
    return tier->verify(&seen, &here);
}

static void kata_is_another_boot_of_any_kernel(void **state)
{
    (void)state;
    assert_true(is_a_guest("6.1.0", "there", "here"));
    assert_true(is_a_guest("6.2.0", "there", "here"));
    assert_false(is_a_guest("6.1.0", "here", "here"));
    assert_false(is_a_guest("6.2.0", "here", "here"));
    /* If the boot id is unknown, the version decides. */
    assert_false(is_a_guest("6.1.0", "", "here"));
    assert_false(is_a_guest("6.1.0", "there", ""));
    assert_true(is_a_guest("6.2.0", "", ""));
}

/* Creates a program that prints `text`, whatever its arguments are, and exits with `code`. */
static void make_program(const char *path, const char *text, int code)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "#!/bin/sh\necho '%s'\nexit %d\n", text, code);
    fclose(file);
    assert_int_equal(chmod(path, 0755), 0);
}

static int check(const char *text, int code, lrun_error *err)
{
    char path[] = "/tmp/lr-test-tier-XXXXXX", version[64];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    make_program(path, text, code);
    const struct tier *tier;
    assert_int_equal(tier_find(&tier, "runsc", err), 0);
    int failed = tier_check_runtime(tier->runtime, path, version, sizeof(version), err);
    unlink(path);
    return failed;
}

static void a_runsc_of_years_ago_is_too_old(void **state)
{
    (void)state;
    lrun_error err = {0};
    assert_int_equal(check("runsc version 0.0~20221219.0-2+b3", 0, &err), -1);
    assert_non_null(strstr(err.message, "too old"));
    assert_non_null(strstr(err.hint, "setup gvisor"));
    assert_int_equal(check("runsc version release-20250101.0", 0, &err), -1);
}

static void a_runsc_of_today_is_not(void **state)
{
    (void)state;
    lrun_error err = {0};
    assert_int_equal(check("runsc version release-20260907.0", 0, &err), 0);
    assert_int_equal(check("runsc version release-20270907.0-12-gabcdef123456", 0, &err), 0);
    /* A runsc that was built by hand has no version. */
    assert_int_equal(check("runsc version VERSION_MISSING", 0, &err), 0);
}

static void a_program_that_does_not_know_the_flags_is_none(void **state)
{
    (void)state;
    lrun_error err = {0};
    assert_int_equal(check("runsc version release-20260907.0", 2, &err), -1);
    assert_int_equal(err.code, LRUN_START_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runc_is_on_the_hosts_kernel),
        cmocka_unit_test(runsc_is_not_and_its_log_says_so),
        cmocka_unit_test(kata_is_another_boot_of_any_kernel),
        cmocka_unit_test(a_runsc_of_years_ago_is_too_old),
        cmocka_unit_test(a_runsc_of_today_is_not),
        cmocka_unit_test(a_program_that_does_not_know_the_flags_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
