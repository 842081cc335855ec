/* SPDX-License-Identifier: MIT */
/*
 * light-runner-filter FOLDER NAME [refusals]: compiles the seccomp profile
 * (policy/seccomp_profile.h), or only what it refuses beyond the distribution's, into FOLDER/NAME.
 * It is a program of its own, so that nothing else loads libseccomp. Users do not run it.
 */
#include "base/cleanup.h"
#include "base/io.h"
#include "host/filter.h"
#include "policy/seccomp_profile.h"

#include <fcntl.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>

enum { ARGS_MAX = 6, PROGRAM_MAX = 1 << 20 };

static const struct {
    const char *name;
    enum scmp_compare op;
} comparisons[] = {
    {"SCMP_CMP_NE", SCMP_CMP_NE},
    {"SCMP_CMP_LT", SCMP_CMP_LT},
    {"SCMP_CMP_LE", SCMP_CMP_LE},
    {"SCMP_CMP_EQ", SCMP_CMP_EQ},
    {"SCMP_CMP_GE", SCMP_CMP_GE},
    {"SCMP_CMP_GT", SCMP_CMP_GT},
    {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
};

static int fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    return -1;
}

static int read_argument(const json_t *arg, struct scmp_arg_cmp *out)
{
    const char *op = json_string_value(json_object_get(arg, "op"));
    for (size_t i = 0; op && i < sizeof(comparisons) / sizeof(comparisons[0]); i++) {
        if (strcmp(comparisons[i].name, op) != 0)
            continue;
        *out = (struct scmp_arg_cmp){
            .arg = (unsigned)json_integer_value(json_object_get(arg, "index")),
            .op = comparisons[i].op,
            .datum_a = (scmp_datum_t)json_integer_value(json_object_get(arg, "value")),
            .datum_b = (scmp_datum_t)json_integer_value(json_object_get(arg, "valueTwo")),
        };
        return 0;
    }
    return fail("unknown comparison in the profile");
}

static int read_action(const json_t *rule, uint32_t *action)
{
    const char *text = json_string_value(json_object_get(rule, "action"));
    const json_t *number = json_object_get(rule, "errnoRet");
    if (text && strcmp(text, "SCMP_ACT_ALLOW") == 0)
        *action = SCMP_ACT_ALLOW;
    else if (text && strcmp(text, "SCMP_ACT_ERRNO") == 0)
        *action = SCMP_ACT_ERRNO(number ? (uint16_t)json_integer_value(number) : EPERM);
    else
        return fail("an action in the profile neither allows nor denies");
    return 0;
}

static int add_rule(scmp_filter_ctx filter, const json_t *rule, uint32_t fallback)
{
    struct scmp_arg_cmp args[ARGS_MAX];
    const json_t *list = json_object_get(rule, "args"), *item;
    size_t count = json_array_size(list), i;
    uint32_t action;
    if (count > ARGS_MAX || read_action(rule, &action) < 0)
        return fail("a rule of the profile cannot be read");
    json_array_foreach (list, i, item)
        if (read_argument(item, &args[i]) < 0)
            return -1;
    /* A rule for the default action is not needed, and libseccomp rejects it. */
    if (action == fallback)
        return 0;
    json_array_foreach (json_object_get(rule, "names"), i, item) {
        int number = seccomp_syscall_resolve_name(json_string_value(item));
        /* A call of another architecture, or one that this libseccomp does not know: the default
         * applies, which refuses it in an allow-list. */
        if (number == __NR_SCMP_ERROR || number < 0)
            continue;
        int failed = seccomp_rule_add_array(filter, action, number, (unsigned)count, args);
        if (failed && failed != -EEXIST)
            return fail(strerror(-failed));
    }
    return 0;
}

static int compile(scmp_filter_ctx filter, const json_t *profile, uint32_t fallback)
{
    const json_t *rule;
    size_t i;
    json_array_foreach (json_object_get(profile, "syscalls"), i, rule)
        if (add_rule(filter, rule, fallback) < 0)
            return -1;
    /* Another calling convention than the machine's own kills the program. Optimisation 2: a tree,
     * not a list. */
    if (seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) < 0 ||
        seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2) < 0)
        return fail("libseccomp is too old");
    return 0;
}

static int export_to(scmp_filter_ctx filter, const char *folder, const char *name)
{
    cleanup_close int memory = memfd_create("filter", MFD_CLOEXEC);
    cleanup_close int dirfd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (memory < 0 || dirfd < 0 || seccomp_export_bpf(filter, memory) < 0)
        return fail("cannot export the filter");
    char path[64];
    size_t length;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", memory);
    cleanup_free char *program = io_read_file_at(AT_FDCWD, path, PROGRAM_MAX, &length);
    if (!program || io_write_file_atomic(dirfd, name, program, length, 0600) < 0) {
        fprintf(stderr, "cannot write the filter: %s\n", strerrordesc_np(errno));
        return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    bool refusals = argc == 4 && strcmp(argv[3], FILTER_REFUSALS) == 0;
    if (argc != 3 && !refusals)
        return fail("light-runner-filter is started by light-runner; run 'light-runner --help'")
                   ? 125
                   : 0;
    lrun_error e = {0};
    json_t *profile;
    if ((refusals ? seccomp_profile_refusals(&profile, &e)
                  : seccomp_profile_load(&profile, SECCOMP_PROFILE, &e)) < 0)
        return fail(e.message) ? 1 : 0;
    uint32_t fallback = refusals ? SCMP_ACT_ALLOW
                                 : SCMP_ACT_ERRNO((uint16_t)json_integer_value(
                                       json_object_get(profile, "defaultErrnoRet")));
    scmp_filter_ctx filter = seccomp_init(fallback);
    int failed = !filter || compile(filter, profile, fallback) < 0 ||
                 export_to(filter, argv[1], argv[2]) < 0;
    seccomp_release(filter);
    json_decref(profile);
    return failed;
}
