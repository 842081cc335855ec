/* SPDX-License-Identifier: MIT */
#include "host/seccomp_profile.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#define NATIVE_ARCH "SCMP_ARCH_X86_64"
#define NATIVE_NAME "amd64"
#elif defined(__aarch64__)
#define NATIVE_ARCH "SCMP_ARCH_AARCH64"
#define NATIVE_NAME "arm64"
#else
#error "seccomp: name this architecture here"
#endif

/*
 * Refused (EPERM) although the distribution's list has them, because a sandbox has no use for them
 * and each opens a large part of the kernel. Docker's default refuses all of these to a container
 * without CAP_SYS_ADMIN, but for the last line, which is ours.
 */
static const char *const refused[] = {
    "mount",
    "umount",
    "umount2",
    "mount_setattr",
    "move_mount",
    "open_tree",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "pivot_root",
    "unshare",
    "setns",
    "add_key",
    "keyctl",
    "request_key",
    "bpf",
    "perf_event_open",
    "userfaultfd",
    "fanotify_init",
    "lookup_dcookie",
    "quotactl",
    "quotactl_fd",
    "setdomainname",
    "sethostname",
    "syslog",
    "reboot",
    "swapon",
    "swapoff",
    "acct",
    "kexec_load",
    "kexec_file_load",
    "init_module",
    "finit_module",
    "delete_module",
    "iopl",
    "ioperm",
    "clock_settime",
    "settimeofday",
    "clock_adjtime",
    "adjtimex",
    "open_by_handle_at",
    "name_to_handle_at",
    "nfsservctl",
    "vhangup",
    "kcmp",
    "process_vm_readv",
    "process_vm_writev",
    "process_madvise",
    "get_mempolicy",
    "set_mempolicy",
    "mbind",
    "move_pages",
    "migrate_pages",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "vmsplice",
    "chroot",
    "memfd_secret",
};

/* clone() with any flag for a new namespace is refused as well; clone3() hides its flags from a
 * filter, so it answers ENOSYS and the C library falls back to clone(). */
#define CLONE_NEW_FLAGS 0x7E020000u

static bool is_one_of(const char *name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, list[i]) == 0)
            return true;
    return false;
}

static bool is_handled_here(const char *name)
{
    return is_one_of(name, refused, sizeof(refused) / sizeof(refused[0])) ||
           strcmp(name, "clone") == 0 || strcmp(name, "clone3") == 0;
}

/* Whether a rule's conditions hold for a sandbox: our architecture, and no capability that matters.
 */
static bool applies(const json_t *rule)
{
    const json_t *includes = json_object_get(rule, "includes"), *item;
    size_t i;
    if (json_array_size(json_object_get(includes, "caps")) > 0)
        return false;
    const json_t *arches = json_object_get(includes, "arches");
    if (json_array_size(arches) == 0)
        return true;
    json_array_foreach(arches, i,
                       item) if (json_is_string(item) &&
                                 strcmp(json_string_value(item), NATIVE_NAME) == 0) return true;
    return false;
}

/* The names of a rule without those that are decided here. New reference. */
static json_t *kept_names(const json_t *rule)
{
    json_t *names = json_array(), *item;
    size_t i;
    json_array_foreach(json_object_get(rule, "names"), i,
                       item) if (json_is_string(item) && !is_handled_here(json_string_value(item)))
        json_array_append(names, item);
    return names;
}

static int add_rule(json_t *rules, const json_t *rule)
{
    json_t *names = kept_names(rule);
    if (json_array_size(names) == 0) {
        json_decref(names);
        return 0;
    }
    json_t *out =
        json_pack("{s:o, s:O}", "names", names, "action", json_object_get(rule, "action"));
    if (!out)
        return -1;
    const json_t *args = json_object_get(rule, "args");
    if (json_array_size(args) > 0)
        json_object_set_new(out, "args", json_deep_copy(args));
    json_t *number = json_object_get(rule, "errnoRet");
    if (json_is_integer(number))
        json_object_set(out, "errnoRet", number);
    return json_array_append_new(rules, out);
}

/* What this file decides by itself. */
static int add_own_rules(json_t *rules)
{
    json_t *names = json_array();
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        json_array_append_new(names, json_string(refused[i]));
    return json_array_append_new(rules, json_pack("{s:o, s:s, s:i}", "names", names, "action",
                                                  "SCMP_ACT_ERRNO", "errnoRet", 1)) ||
           json_array_append_new(rules, json_pack("{s:[s], s:s, s:[{s:i, s:I, s:i, s:s}]}", "names",
                                                  "clone", "action", "SCMP_ACT_ALLOW", "args",
                                                  "index", 0, "value", (json_int_t)CLONE_NEW_FLAGS,
                                                  "valueTwo", 0, "op", "SCMP_CMP_MASKED_EQ")) ||
           json_array_append_new(rules, json_pack("{s:[s], s:s, s:i}", "names", "clone3", "action",
                                                  "SCMP_ACT_ERRNO", "errnoRet", 38));
}

int seccomp_profile_translate(json_t **out, const json_t *profile, lr_error *err)
{
    static const char operation[] = "seccomp.load";
    const json_t *list = json_object_get(profile, "syscalls"), *rule;
    const char *fallback = json_string_value(json_object_get(profile, "defaultAction"));
    size_t i;
    /* A profile whose default is not to refuse is a deny-list: not what this is built on. */
    if (!json_is_array(list) || !fallback || strcmp(fallback, "SCMP_ACT_ERRNO") != 0)
        return error_set(err, LR_CONTAINER_START_FAILED, operation,
                         "the seccomp profile is not an allow-list");
    json_t *rules = json_array();
    bool failed = !rules;
    json_array_foreach(list, i, rule) if (!failed && applies(rule)) failed =
        add_rule(rules, rule) < 0;
    failed = failed || add_own_rules(rules) != 0;
    *out = failed
               ? NULL
               : json_pack("{s:s, s:i, s:[s], s:o}", "defaultAction", "SCMP_ACT_ERRNO",
                           "defaultErrnoRet", 38, "architectures", NATIVE_ARCH, "syscalls", rules);
    if (!*out) {
        json_decref(rules);
        return error_set(err, LR_CONTAINER_START_FAILED, operation,
                         "the seccomp profile cannot be translated");
    }
    return 0;
}

int seccomp_profile_load(json_t **out, const char *path, lr_error *err)
{
    size_t length;
    cleanup_free char *text = io_read_file_at(AT_FDCWD, path, 4 << 20, &length);
    if (!text) {
        error_errno(err, LR_CONTAINER_START_FAILED, "seccomp.load", errno,
                    "cannot read the seccomp profile '%s'", path);
        return error_hint(err, "apt-get install golang-github-containers-common");
    }
    json_error_t where;
    json_t *profile = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
    if (!profile)
        return error_set(err, LR_CONTAINER_START_FAILED, "seccomp.load",
                         "the seccomp profile '%s' is not JSON (line %d: %s)", path, where.line,
                         where.text);
    int failed = seccomp_profile_translate(out, profile, err);
    json_decref(profile);
    return failed;
}
