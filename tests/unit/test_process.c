/* SPDX-License-Identifier: MIT */
/* The identity of a process, by which a later process recognises it. */
#include "host/process.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_ourselves(void **state)
{
    char identity[PROCESS_IDENTITY_SIZE];
    (void)state;
    process_identity(identity);
    assert_int_equal(process_fate(identity), PROCESS_ALIVE);
}

static void test_one_that_has_ended(void **state)
{
    char identity[PROCESS_IDENTITY_SIZE] = "";
    int pipes[2];
    (void)state;
    assert_int_equal(pipe(pipes), 0);
    pid_t pid = fork();
    if (pid == 0) {
        process_identity(identity);
        _exit(write(pipes[1], identity, sizeof(identity)) != sizeof(identity));
    }
    assert_int_equal(read(pipes[0], identity, sizeof(identity)), sizeof(identity));
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(process_fate(identity), PROCESS_GONE);
    close(pipes[0]);
    close(pipes[1]);
}

/* Another process has got the same pid since. */
static void test_another_start(void **state)
{
    char identity[PROCESS_IDENTITY_SIZE], other[PROCESS_IDENTITY_SIZE];
    (void)state;
    process_identity(identity);
    char *start = strrchr(identity, ' ');
    snprintf(other, sizeof(other), "%.*s 1", (int)(start - identity), identity);
    assert_int_equal(process_fate(other), PROCESS_GONE);
}

static void test_what_cannot_be_known(void **state)
{
    char identity[PROCESS_IDENTITY_SIZE], other[2 * PROCESS_IDENTITY_SIZE], boot[64];
    unsigned long long inode, start;
    int pid;
    (void)state;
    process_identity(identity);
    assert_int_equal(sscanf(identity, "%63s %llu %d %llu", boot, &inode, &pid, &start), 4);
    snprintf(other, sizeof(other), "%s %llu %d %llu", boot, inode + 1, pid, start);
    assert_int_equal(process_fate(other), PROCESS_UNKNOWN);
    snprintf(other, sizeof(other), "00000000-0000-0000-0000-000000000000 %llu %d %llu", inode, pid,
             start);
    assert_int_equal(process_fate(other), PROCESS_UNKNOWN);
    static const char *const rubbish[] = {"", "x", "a b c d", "1 2 3", "- 0 1 0"};
    for (size_t i = 0; i < sizeof(rubbish) / sizeof(rubbish[0]); i++)
        assert_int_equal(process_fate(rubbish[i]), PROCESS_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ourselves),
        cmocka_unit_test(test_one_that_has_ended),
        cmocka_unit_test(test_another_start),
        cmocka_unit_test(test_what_cannot_be_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
