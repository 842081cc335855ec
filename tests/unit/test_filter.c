/* SPDX-License-Identifier: MIT */
/* Allows a system call in addition to those that a compiled profile allows. */
#include "host/filter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Returns a program that allows all calls except getppid(), which fails with EDOM, and getsid(),
 * which fails with ERANGE. */
static char *program(size_t *length)
{
    const struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EDOM),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getsid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ERANGE),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    char *copy = malloc(sizeof(code));
    assert_non_null(copy);
    memcpy(copy, code, sizeof(code));
    *length = sizeof(code);
    return copy;
}

/* Makes a call in a process of its own to which the program applies. Returns the call's errno, or 0
 * if the call is allowed. */
static int outcome(const char *code, size_t length, long number)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct sock_fprog p = {(unsigned short)(length / sizeof(struct sock_filter)),
                               (struct sock_filter *)(uintptr_t)code};
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &p) < 0)
            _exit(255);
        _exit(syscall(number, 0) < 0 ? errno : 0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void the_call_goes_through_and_no_other(void **state)
{
    (void)state;
    size_t length;
    char *code = program(&length);
    lrun_error err = {0};
    assert_int_equal(outcome(code, length, SYS_getppid), EDOM);
    assert_int_equal(filter_allow(&code, &length, SYS_getppid, &err), 0);
    assert_int_equal(outcome(code, length, SYS_getppid), 0);
    assert_int_equal(outcome(code, length, SYS_getsid), ERANGE);
    assert_int_equal(outcome(code, length, SYS_getuid), 0);
    free(code);
}

static void calls_are_refused_and_no_others(void **state)
{
    (void)state;
    size_t length;
    char *code = program(&length);
    const int refused[] = {SYS_getuid, SYS_getgid, SYS_getsid};
    lrun_error err = {0};
    assert_int_equal(outcome(code, length, SYS_getuid), 0);
    assert_int_equal(filter_refuse(&code, &length, refused, 3, &err), 0);
    assert_int_equal(outcome(code, length, SYS_getuid), EPERM);
    assert_int_equal(outcome(code, length, SYS_getgid), EPERM);
    assert_int_equal(outcome(code, length, SYS_getsid), EPERM);
    assert_int_equal(outcome(code, length, SYS_getppid), EDOM);
    assert_int_equal(outcome(code, length, SYS_geteuid), 0);
    free(code);
}

static void a_program_of_the_greatest_length_takes_no_more(void **state)
{
    (void)state;
    size_t length = BPF_MAXINSNS * sizeof(struct sock_filter);
    char *code = calloc(1, length);
    lrun_error err = {0};
    assert_non_null(code);
    assert_int_equal(filter_allow(&code, &length, SYS_getppid, &err), -1);
    assert_int_equal(length, BPF_MAXINSNS * sizeof(struct sock_filter));
    free(code);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_call_goes_through_and_no_other),
        cmocka_unit_test(calls_are_refused_and_no_others),
        cmocka_unit_test(a_program_of_the_greatest_length_takes_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
