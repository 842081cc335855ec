/* SPDX-License-Identifier: MIT */
/*
 * inject NUMBER REPORT PROGRAM ARG...: runs the program, and makes one system call of the launcher fail with EIO.
 *
 * The launcher begins where a process joins a user namespace (setns), and ends where a process executes a program. Its calls
 * are counted in the order in which they happen, over all its processes; NUMBER 0 fails none. REPORT gets two lines: the
 * number of the call that failed (-1: none), and the numbers of all calls.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX = 4096, CALLS_MAX = 4096 };

static struct task {
    pid_t pid;
    bool launcher, failing;
} tasks[MAX];
static size_t count;
static long wanted, seen, calls[CALLS_MAX], failed = -1;

static struct task *find(pid_t pid)
{
    for (size_t i = 0; i < count; i++)
        if (tasks[i].pid == pid)
            return &tasks[i];
    if (count == MAX)
        exit(9);
    tasks[count] = (struct task){.pid = pid};
    return &tasks[count++];
}

static void on_entry(struct task *t)
{
    struct user_regs_struct regs;
    if (ptrace(PTRACE_GETREGS, t->pid, NULL, &regs) < 0)
        return;
    if (regs.orig_rax == SYS_setns && regs.rsi == 0x10000000)
        t->launcher = true;
    if (!t->launcher || regs.orig_rax == SYS_exit_group)
        return;
    if (seen == CALLS_MAX)
        exit(9);
    calls[seen++] = (long)regs.orig_rax;
    if (seen != wanted)
        return;
    failed = (long)regs.orig_rax;
    regs.orig_rax = (unsigned long long)-1;
    t->failing = ptrace(PTRACE_SETREGS, t->pid, NULL, &regs) == 0;
}

static void on_exit_of_call(struct task *t)
{
    struct user_regs_struct regs;
    if (!t->failing || ptrace(PTRACE_GETREGS, t->pid, NULL, &regs) < 0)
        return;
    regs.rax = (unsigned long long)-EIO;
    ptrace(PTRACE_SETREGS, t->pid, NULL, &regs);
    t->failing = false;
}

int main(int argc, char **argv)
{
    static const long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                                PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC;
    int status, code = 0;
    if (argc < 4)
        return 2;
    wanted = atol(argv[1]);
    pid_t first = fork();
    if (first == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        execv(argv[3], &argv[3]);
        _exit(127);
    }
    if (waitpid(first, &status, 0) < 0 || ptrace(PTRACE_SETOPTIONS, first, NULL, options) < 0)
        return 2;
    ptrace(PTRACE_SYSCALL, first, NULL, NULL);
    for (pid_t pid; (pid = waitpid(-1, &status, __WALL)) > 0;) {
        if (!WIFSTOPPED(status)) {
            if (pid == first)
                code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
            find(pid)->launcher = false;
            continue;
        }
        struct task *t = find(pid);
        int event = status >> 16, number = WSTOPSIG(status);
        long pass = 0;
        if (event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK ||
            event == PTRACE_EVENT_CLONE) {
            unsigned long child;
            ptrace(PTRACE_GETEVENTMSG, pid, NULL, &child);
            find((pid_t)child)->launcher = t->launcher;
        } else if (event == PTRACE_EVENT_EXEC) {
            t->launcher = false;
        } else if (number == (SIGTRAP | 0x80)) {
            struct __ptrace_syscall_info {
                unsigned char op;
                char rest[87];
            } info;
            ptrace(0x420e, pid, sizeof(info), &info);
            if (info.op == 1)
                on_entry(t);
            else
                on_exit_of_call(t);
        } else if (number != SIGSTOP && number != SIGTRAP) {
            pass = number;
        }
        ptrace(PTRACE_SYSCALL, pid, NULL, pass);
    }
    FILE *report = fopen(argv[2], "w");
    if (!report)
        return 2;
    fprintf(report, "%ld\n", failed);
    for (long i = 0; i < seen; i++)
        fprintf(report, "%ld ", calls[i]);
    fclose(report);
    return code;
}
