/* SPDX-License-Identifier: MIT */
#include "host/filter.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/libexec.h"
#include "host/spawn.h"
#include "policy/seccomp_profile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/audit.h>
#include <linux/bpf_common.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

static const char operation[] = "seccomp.filter";

enum { COMPILE_TIMEOUT_MS = 30000 };

#if defined(__x86_64__)
enum { NATIVE = AUDIT_ARCH_X86_64 };
#elif defined(__aarch64__)
enum { NATIVE = AUDIT_ARCH_AARCH64 };
#elif defined(__riscv)
enum { NATIVE = AUDIT_ARCH_RISCV64 };
#else
#error "which seccomp architecture is this?"
#endif

enum { NAME_SIZE = 192 };

/* Adds values that change with the file, so that a program compiled from the old file is not found
 * under the new name. */
static void add_identity(char name[NAME_SIZE], const struct stat *st)
{
    size_t used = strlen(name);
    snprintf(name + used, NAME_SIZE - used, "-%" PRIx64 "-%" PRIx64 "-%" PRIx64 ".%09ld",
             (uint64_t)st->st_ino, (uint64_t)st->st_size, (uint64_t)st->st_mtim.tv_sec,
             st->st_mtim.tv_nsec);
}

/* A changed or replaced profile or compiler gives another name. *word is the compiler's extra
 * argument. */
static int name_of(char name[NAME_SIZE], const char **word, const char *compiler,
                   enum filter_base base, lrun_error *err)
{
    struct stat st;
    snprintf(name, NAME_SIZE, "seccomp-" LIGHT_RUNNER_VERSION);
    *word = NULL;
    if (stat(compiler, &st) < 0)
        return error_errno(err, LRUN_START_FAILED, operation, errno, "cannot find '%s'", compiler);
    add_identity(name, &st);
    if (stat(SECCOMP_PROFILE, &st) == 0) {
        add_identity(name, &st);
    } else if (errno == ENOENT && base == FILTER_ON_TOP) {
        *word = FILTER_REFUSALS;
        strcat(name, "-" FILTER_REFUSALS);
    } else {
        error_errno(err, LRUN_START_FAILED, operation, errno,
                    "cannot read the seccomp profile '%s'", SECCOMP_PROFILE);
        return error_hint(err, "apt-get install golang-github-containers-common");
    }
    strcat(name, ".bpf");
    return 0;
}

static char *read_program(const char *folder, const char *name, size_t *length)
{
    cleanup_close int dirfd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    size_t max = BPF_MAXINSNS * sizeof(struct sock_filter);
    cleanup_free char *program = dirfd < 0 ? NULL : io_read_file_at(dirfd, name, max, length);
    if (program && (*length == 0 || *length % sizeof(struct sock_filter) != 0)) {
        errno = EBADMSG;
        return NULL;
    }
    return steal_ptr(program);
}

int filter_get(const char *folder, enum filter_base base, char **program, size_t *length,
               lrun_error *err)
{
    char name[NAME_SIZE];
    const char *word;
    cleanup_free char *compiler = libexec_find("light-runner-filter", err);
    if (!compiler || name_of(name, &word, compiler, base, err) < 0)
        return -1;
    *program = read_program(folder, name, length);
    if (*program)
        return 0;
    const char *const argv[] = {compiler, folder, name, word, NULL};
    if (spawn_program(argv, COMPILE_TIMEOUT_MS, NULL, 0, LRUN_START_FAILED, err) < 0)
        return error_hint(err, "see what works here: light-runner doctor");
    *program = read_program(folder, name, length);
    if (!*program)
        return error_errno(err, LRUN_START_FAILED, operation, errno,
                           "cannot read the compiled seccomp profile '%s/%s'", folder, name);
    return 0;
}

/* Puts instructions in front of the program. Its own jumps are relative and stay correct. */
static int prepend(char **program, size_t *length, const struct sock_filter *first, size_t count,
                   lrun_error *err)
{
    size_t size = count * sizeof(*first);
    if (*length + size > BPF_MAXINSNS * sizeof(struct sock_filter))
        return error_set(err, LRUN_START_FAILED, operation,
                         "the compiled seccomp profile is too long");
    char *longer = malloc(size + *length);
    if (!longer)
        return error_oom(err, operation);
    memcpy(longer, first, size);
    memcpy(longer + size, *program, *length);
    free(*program);
    *program = longer;
    *length += size;
    return 0;
}

/* Decides some system calls of the native calling convention. All others go on to the program
 * itself. */
static int decide(char **program, size_t *length, const int *numbers, size_t count, uint32_t action,
                  lrun_error *err)
{
    struct sock_filter first[FILTER_REFUSE_MAX + 4];
    size_t used = 0;
    if (count > FILTER_REFUSE_MAX)
        return error_set(err, LRUN_INTERNAL, operation, "%zu system calls are too many", count);
    first[used++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    first[used++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)NATIVE, 0,
                                                 (uint8_t)(count + 2));
    first[used++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < count; i++) {
        bool last = i + 1 == count;
        first[used++] = (struct sock_filter)BPF_JUMP(
            BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)numbers[i], (uint8_t)(count - 1 - i), last);
    }
    first[used++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action);
    return prepend(program, length, first, used, err);
}

int filter_allow(char **program, size_t *length, int number, lrun_error *err)
{
    return decide(program, length, &number, 1, SECCOMP_RET_ALLOW, err);
}

int filter_refuse(char **program, size_t *length, const int *numbers, size_t count, lrun_error *err)
{
    return decide(program, length, numbers, count, SECCOMP_RET_ERRNO | EPERM, err);
}
