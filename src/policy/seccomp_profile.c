/* SPDX-License-Identifier: MIT */
#include "policy/seccomp_profile.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>

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
 * Refused (EPERM) although the distribution's list allows them, because a sandbox has no use for
 * them and each opens a large part of the kernel. Docker's default refuses most of these to a
 * container without CAP_SYS_ADMIN or CAP_SYS_PTRACE.
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
    "pidfd_getfd",
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

/*
 * Answered with ENOSYS, as a kernel without these calls would, because programs then use another
 * call. clone3() hides its flags from a filter: the C library falls back to clone(). The number of
 * asynchronous I/O contexts is limited for the whole machine (fs.aio-max-nr), so one run could take
 * all of them.
 */
static const char *const missing[] = {
    "clone3", "io_setup", "io_submit", "io_getevents", "io_pgetevents", "io_cancel", "io_destroy",
};

/*
 * Answered with success, but not executed. sync() writes out every file system of the host.
 * syncfs() writes out the file system of any file that it can reach: on Docker, the one with the
 * daemon's data. Nobody reads a sandbox's files from the disk after a power cut.
 */
static const char *const skipped[] = {"sync", "syncfs"};

/* Calls that depend on their arguments (add_argument_rules()), and the multiplexers of 32-bit
 * machines that would bypass those rules. */
static const char *const by_argument[] = {
    "clone", "socket", "socketpair", "mmap", "memfd_create", "shmget", "socketcall", "ipc", "mmap2",
};

/* A clone() with a flag for a new namespace is refused: CLONE_NEW and NS, CGROUP, UTS, IPC, USER,
 * PID, NET. */
static const unsigned new_namespaces[] = {0x00020000, 0x02000000, 0x04000000, 0x08000000,
                                          0x10000000, 0x20000000, 0x40000000};

/*
 * The address families that socket() allows: local sockets, the internet's, and netlink, which
 * programs use to list their interfaces. The other families are rarely used kernel code that is
 * loaded on demand, and some have no network namespace: AF_VSOCK reaches the hypervisor, the host
 * and other runs, whatever network a run has. All lists of numbers here are in ascending order.
 */
static const unsigned families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
static const unsigned pair_families[] = {AF_UNIX};

/* The netlink protocols that a program without capabilities can use. NETLINK_AUDIT is among the
 * others. */
static const unsigned netlink_protocols[] = {NETLINK_ROUTE, NETLINK_SOCK_DIAG,
                                             NETLINK_KOBJECT_UEVENT, NETLINK_GENERIC};

/* Huge pages come from a pool of the host that no run's memory limit counts. They are refused as if
 * the pool were empty. */
static const struct {
    const char *name;
    unsigned argument, flag;
} huge_pages[] = {
    {"mmap", 3, MAP_HUGETLB},
    {"memfd_create", 1, MFD_HUGETLB},
    {"shmget", 2, SHM_HUGETLB},
};

static const char operation[] = "seccomp.load";

#define COUNT_OF(list) (sizeof(list) / sizeof((list)[0]))

static bool is_one_of(const char *name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(name, list[i]) == 0)
            return true;
    return false;
}

static bool is_handled_here(const char *name)
{
    return is_one_of(name, refused, COUNT_OF(refused)) ||
           is_one_of(name, missing, COUNT_OF(missing)) ||
           is_one_of(name, skipped, COUNT_OF(skipped)) ||
           is_one_of(name, by_argument, COUNT_OF(by_argument));
}

static bool lists_native(const json_t *arches)
{
    const json_t *item;
    size_t i;
    json_array_foreach (arches, i, item)
        if (json_is_string(item) && strcmp(json_string_value(item), NATIVE_NAME) == 0)
            return true;
    return false;
}

/* Returns whether a rule's conditions hold for a sandbox: it is for our architecture, and needs no
 * capability. */
static bool applies(const json_t *rule)
{
    const json_t *includes = json_object_get(rule, "includes");
    const json_t *excludes = json_object_get(rule, "excludes");
    const json_t *arches = json_object_get(includes, "arches");
    if (json_array_size(json_object_get(includes, "caps")) > 0 ||
        lists_native(json_object_get(excludes, "arches")))
        return false;
    return json_array_size(arches) == 0 || lists_native(arches);
}

/* Returns the names of a rule, without those that this file decides. New reference. */
static json_t *kept_names(const json_t *rule)
{
    json_t *names = json_array(), *item;
    size_t i;
    json_array_foreach (json_object_get(rule, "names"), i, item)
        if (json_is_string(item) && !is_handled_here(json_string_value(item)))
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

/* -------------------------------------------------------------- our own rules */

enum { ALLOWED = -1 };

/* Adds a rule for the names, and takes their reference. `number` is ALLOWED, or the errno; errno 0
 * is success without any effect. `args` is borrowed; NULL: there are none. */
static int add_decision(json_t *rules, json_t *names, int number, const json_t *args)
{
    json_t *rule = json_pack("{s:o, s:s}", "names", names, "action",
                             number == ALLOWED ? "SCMP_ACT_ALLOW" : "SCMP_ACT_ERRNO");
    if (!rule ||
        (number != ALLOWED && json_object_set_new(rule, "errnoRet", json_integer(number))) ||
        (args && json_object_set_new(rule, "args", json_deep_copy(args)))) {
        json_decref(rule);
        return -1;
    }
    return json_array_append_new(rules, rule);
}

static int add_list(json_t *rules, const char *const *list, size_t count, int number)
{
    json_t *names = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(names, json_string(list[i]));
    return add_decision(rules, names, number, NULL);
}

static json_t *comparison(unsigned argument, const char *op, uint64_t value, uint64_t second)
{
    return json_pack("{s:i, s:I, s:I, s:s}", "index", (int)argument, "value", (json_int_t)value,
                     "valueTwo", (json_int_t)second, "op", op);
}

/* `fixed` is a second comparison that must hold too, or NULL. Borrowed. */
static int add_comparison(json_t *rules, const char *name, int number, json_t *fixed, json_t *own)
{
    json_t *args = json_pack("[O*, o]", fixed, own);
    int failed = args ? add_decision(rules, json_pack("[s]", name), number, args) : -1;
    json_decref(args);
    return failed;
}

struct choice {
    const char *name;
    unsigned argument;
    const unsigned *values; /* the allowed values of the argument */
    size_t count;
    int number; /* the errno for any other value */
};

/*
 * Adds rules such that each value matches only one of them, because libseccomp does not say which
 * of two rules wins. Each refused value below the last allowed one gets its own rule. The value
 * `deeper` gets no rule here, because its own rules follow; -1: there is no such value.
 */
static int add_choice(json_t *rules, const struct choice *c, json_t *fixed, int deeper)
{
    unsigned next = 0;
    int failed = 0;
    for (size_t i = 0; i < c->count && !failed; i++) {
        for (; next < c->values[i] && !failed; next++)
            failed = add_comparison(rules, c->name, c->number, fixed,
                                    comparison(c->argument, "SCMP_CMP_EQ", next, 0));
        if (!failed && (int)next != deeper)
            failed = add_comparison(rules, c->name, ALLOWED, fixed,
                                    comparison(c->argument, "SCMP_CMP_EQ", next, 0));
        next++;
    }
    return failed ? failed
                  : add_comparison(rules, c->name, c->number, fixed,
                                   comparison(c->argument, "SCMP_CMP_GT", next - 1, 0));
}

static int add_socket_rules(json_t *rules)
{
    static const struct choice family = {"socket", 0, families, COUNT_OF(families), EAFNOSUPPORT};
    static const struct choice pair = {"socketpair", 0, pair_families, COUNT_OF(pair_families),
                                       EAFNOSUPPORT};
    static const struct choice protocol = {"socket", 2, netlink_protocols,
                                           COUNT_OF(netlink_protocols), EPROTONOSUPPORT};
    json_t *netlink = comparison(family.argument, "SCMP_CMP_EQ", AF_NETLINK, 0);
    int failed = !netlink || add_choice(rules, &family, NULL, AF_NETLINK) ||
                 add_choice(rules, &protocol, netlink, -1) || add_choice(rules, &pair, NULL, -1);
    json_decref(netlink);
    return failed;
}

/* Refuses the call with the flag, and allows it without. */
static int add_flag_rules(json_t *rules, const char *name, unsigned argument, unsigned flag,
                          int number)
{
    static const char op[] = "SCMP_CMP_MASKED_EQ";
    return add_comparison(rules, name, ALLOWED, NULL, comparison(argument, op, flag, 0)) ||
           add_comparison(rules, name, number, NULL, comparison(argument, op, flag, flag));
}

static int add_clone_rules(json_t *rules)
{
    static const char op[] = "SCMP_CMP_MASKED_EQ";
    unsigned all = 0;
    int failed = 0;
    for (size_t i = 0; i < COUNT_OF(new_namespaces) && !failed; i++) {
        unsigned flag = new_namespaces[i];
        all |= flag;
        failed = add_comparison(rules, "clone", EPERM, NULL, comparison(0, op, flag, flag));
    }
    return failed || add_comparison(rules, "clone", ALLOWED, NULL, comparison(0, op, all, 0));
}

static int add_argument_rules(json_t *rules)
{
    int failed = add_clone_rules(rules);
    for (size_t i = 0; i < COUNT_OF(huge_pages) && !failed; i++)
        failed = add_flag_rules(rules, huge_pages[i].name, huge_pages[i].argument,
                                huge_pages[i].flag, ENOMEM);
    return failed || add_socket_rules(rules);
}

static int add_own_rules(json_t *rules)
{
    return add_list(rules, refused, COUNT_OF(refused), EPERM) ||
           add_list(rules, missing, COUNT_OF(missing), ENOSYS) ||
           add_list(rules, skipped, COUNT_OF(skipped), 0) || add_argument_rules(rules);
}

/* Takes the reference of the rules; NULL: they could not be made. */
static int finish(json_t **out, json_t *rules, const char *fallback, lrun_error *err)
{
    *out = rules ? json_pack("{s:s, s:i, s:[s], s:o}", "defaultAction", fallback, "defaultErrnoRet",
                             ENOSYS, "architectures", NATIVE_ARCH, "syscalls", rules)
                 : NULL;
    return *out ? 0
                : error_set(err, LRUN_START_FAILED, operation,
                            "the seccomp profile cannot be translated");
}

int seccomp_profile_translate(json_t **out, const json_t *profile, lrun_error *err)
{
    const json_t *list = json_object_get(profile, "syscalls"), *rule;
    const char *fallback = json_string_value(json_object_get(profile, "defaultAction"));
    size_t i;
    /* If the default is not to refuse, the profile is a deny-list. This translation needs an
     * allow-list. */
    if (!json_is_array(list) || !fallback || strcmp(fallback, "SCMP_ACT_ERRNO") != 0)
        return error_set(err, LRUN_START_FAILED, operation,
                         "the seccomp profile is not an allow-list");
    json_t *rules = json_array();
    bool failed = !rules;
    json_array_foreach (list, i, rule)
        if (!failed && applies(rule))
            failed = add_rule(rules, rule) < 0;
    if (failed || add_own_rules(rules) != 0) {
        json_decref(rules);
        rules = NULL;
    }
    return finish(out, rules, "SCMP_ACT_ERRNO", err);
}

int seccomp_profile_refusals(json_t **out, lrun_error *err)
{
    json_t *rules = json_array();
    if (!rules || add_own_rules(rules) != 0) {
        json_decref(rules);
        rules = NULL;
    }
    return finish(out, rules, "SCMP_ACT_ALLOW", err);
}

int seccomp_profile_load(json_t **out, const char *path, lrun_error *err)
{
    size_t length;
    cleanup_free char *text = io_read_file_at(AT_FDCWD, path, 4 << 20, &length);
    if (!text) {
        error_errno(err, LRUN_START_FAILED, operation, errno,
                    "cannot read the seccomp profile '%s'", path);
        return error_hint(err, "apt-get install golang-github-containers-common");
    }
    json_error_t where;
    json_t *profile = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
    if (!profile)
        return error_set(err, LRUN_START_FAILED, operation,
                         "the seccomp profile '%s' is not JSON (line %d: %s)", path, where.line,
                         where.text);
    int failed = seccomp_profile_translate(out, profile, err);
    json_decref(profile);
    return failed;
}
