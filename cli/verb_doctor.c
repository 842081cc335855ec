/* SPDX-License-Identifier: MIT */
/*
 * What works on this machine: a table of things that are needed, each with the command that mends
 * it, and what follows from them for every engine and tier.
 */
#include "verbs.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/libexec.h"
#include "engine/engine.h"
#include "host/cgroup.h"
#include "host/process.h"
#include "host/seccomp_profile.h"
#include "tier/tier.h"

#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

struct finding {
    bool ok;
    char detail[200];
    char fix[200];
};

__attribute__((format(printf, 2, 3))) static void found(struct finding *f, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(f->detail, sizeof(f->detail), format, ap);
    va_end(ap);
    f->ok = true;
}

__attribute__((format(printf, 3, 4))) static void missing(struct finding *f, const char *fix,
                                                          const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(f->detail, sizeof(f->detail), format, ap);
    va_end(ap);
    snprintf(f->fix, sizeof(f->fix), "%s", fix);
    f->ok = false;
}

/* ------------------------------------------------------------- the checks */

static void check_kernel(struct finding *f)
{
    struct utsname host;
    unsigned major = 0, minor = 0;
    if (uname(&host) < 0 || sscanf(host.release, "%u.%u", &major, &minor) != 2)
        missing(f, "", "the kernel's version is unknown");
    else if (major < 5 || (major == 5 && minor < 19))
        missing(f, "install a kernel of 5.19 or later", "%s is too old", host.release);
    else
        found(f, "%s", host.release);
}

static void check_root(struct finding *f)
{
    if (geteuid() == 0)
        found(f, "yes");
    else
        missing(f, "sudo light-runner ...", "running as user %u", (unsigned)geteuid());
}

static void check_runtime_of(struct finding *f, const char *name)
{
    const struct tier *tier;
    const struct tier_runtime *runtime;
    cleanup_free char *path = NULL;
    lr_error e = {0};
    char version[128] = "";
    if (tier_find(&tier, name, &e) < 0 || tier_find_runtime(tier, &runtime, &path, &e) < 0 ||
        tier_check_runtime(runtime, path, version, sizeof(version), &e) < 0)
        missing(f, e.hint, "%s", e.message);
    else
        found(f, "%s, %s", path, version);
}

static void check_runtime(struct finding *f)
{
    check_runtime_of(f, "runc");
}

static void check_gvisor(struct finding *f)
{
    check_runtime_of(f, "runsc");
}

/* A file system that the kernel has, or can load. */
static void check_filesystem(struct finding *f, const char *name, const char *folder)
{
    cleanup_free char *known = io_read_file_at(AT_FDCWD, "/proc/filesystems", 64 * 1024, NULL);
    char word[40];
    snprintf(word, sizeof(word), "\t%s\n", name);
    if (known && strstr(known, word)) {
        found(f, "in the kernel");
        return;
    }
    struct utsname host = {0};
    uname(&host);
    static const char *const suffixes[] = {"", ".xz", ".zst", ".gz"};
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        char path[256];
        snprintf(path, sizeof(path), "/lib/modules/%.64s/kernel/fs/%s/%s.ko%s", host.release,
                 folder, name, suffixes[i]);
        if (access(path, F_OK) == 0) {
            found(f, "a module, loaded when it is needed");
            return;
        }
    }
    char fix[64];
    snprintf(fix, sizeof(fix), "modprobe %s", name);
    missing(f, fix, "the kernel does not know it");
}

static void check_erofs(struct finding *f)
{
    check_filesystem(f, "erofs", "erofs");
}

static void check_overlay(struct finding *f)
{
    check_filesystem(f, "overlay", "overlayfs");
}

static void check_loop(struct finding *f)
{
    if (access("/dev/loop-control", R_OK | W_OK) == 0)
        found(f, "/dev/loop-control");
    else
        missing(f, "modprobe loop", "/dev/loop-control: %s", strerrordesc_np(errno));
}

static bool has_controller(enum cgroup_mode mode, const char *name)
{
    if (mode == CGROUP_V1) {
        char path[128];
        snprintf(path, sizeof(path), CGROUP_ROOT "/%s/cgroup.procs", name);
        return access(path, F_OK) == 0;
    }
    cleanup_free char *list =
        io_read_file_at(AT_FDCWD, CGROUP_ROOT "/cgroup.controllers", 4096, NULL);
    size_t length = strlen(name);
    for (const char *at = list; at && (at = strstr(at, name)); at += length)
        if ((at == list || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\n'))
            return true;
    return false;
}

static void check_cgroup(struct finding *f)
{
    static const char *const controllers[] = {"memory", "pids", "cpu"};
    enum cgroup_mode mode = cgroup_detect(CGROUP_ROOT);
    if (mode == CGROUP_NONE) {
        missing(f, "mount -t cgroup2 cgroup2 " CGROUP_ROOT, "no cgroups at " CGROUP_ROOT);
        return;
    }
    for (size_t i = 0; i < sizeof(controllers) / sizeof(controllers[0]); i++)
        if (!has_controller(mode, controllers[i])) {
            missing(f, "boot with the cgroup controllers memory, pids and cpu enabled",
                    "no controller '%s'", controllers[i]);
            return;
        }
    bool hybrid = mode == CGROUP_V1 && access(CGROUP_ROOT "/unified/cgroup.procs", F_OK) == 0;
    found(f, "%s; memory, pids and cpu", mode == CGROUP_V2 ? "v2" : hybrid ? "hybrid (v1)" : "v1");
}

static void check_program(struct finding *f, const char *program, const char *fix)
{
    cleanup_free char *path = process_find_program(program);
    if (path)
        found(f, "%s", path);
    else
        missing(f, fix, "not in PATH");
}

static void check_mkfs_erofs(struct finding *f)
{
    check_program(f, "mkfs.erofs", "apt-get install erofs-utils");
}

static void check_mkfs_ext4(struct finding *f)
{
    check_program(f, "mkfs.ext4", "apt-get install e2fsprogs");
}

static void check_pasta(struct finding *f)
{
    check_program(f, "pasta", "apt-get install passt (or run with --network none)");
}

static void check_user_namespaces(struct finding *f)
{
    cleanup_free char *limit =
        io_read_file_at(AT_FDCWD, "/proc/sys/user/max_user_namespaces", 64, NULL);
    if (limit && strtoul(limit, NULL, 10) > 0)
        found(f, "allowed");
    else
        missing(f, "sysctl -w user.max_user_namespaces=10000",
                limit ? "forbidden" : "unknown to the kernel");
}

static void check_seccomp(struct finding *f)
{
    json_t *profile = NULL;
    lr_error e = {0};
    if (seccomp_profile_load(&profile, SECCOMP_PROFILE, &e) == 0)
        found(f, "%s", SECCOMP_PROFILE);
    else
        missing(f, e.hint[0] ? e.hint : "apt-get install golang-github-containers-common", "%s",
                e.message);
    json_decref(profile);
}

static void check_helper(struct finding *f, const char *program)
{
    lr_error e = {0};
    cleanup_free char *path = libexec_find(program, &e);
    if (path)
        found(f, "%s", path);
    else
        missing(f, "make install", "%s", e.message);
}

static void check_supervisor(struct finding *f)
{
    check_helper(f, "light-runner-supervisor");
}

static void check_agent(struct finding *f)
{
    check_helper(f, "light-runner-agent");
}

static void check_filter(struct finding *f)
{
    check_helper(f, "light-runner-filter");
}

static void check_unpack(struct finding *f)
{
    check_helper(f, "light-runner-unpack");
}

/* What is optional is not needed by every run: to make images, or for the default network. */
static const struct check {
    const char *name;
    void (*function)(struct finding *f);
    bool optional;
    const char *tier; /* the one that needs it; NULL: all */
} checks[] = {
    {"kernel", check_kernel, false, NULL},
    {"root", check_root, false, NULL},
    {"OCI runtime", check_runtime, false, "runc"},
    {"gVisor", check_gvisor, false, "runsc"},
    {"erofs", check_erofs, false, NULL},
    {"overlay", check_overlay, false, NULL},
    {"loop devices", check_loop, false, NULL},
    {"cgroups", check_cgroup, false, NULL},
    {"seccomp profile", check_seccomp, false, NULL},
    {"user namespaces", check_user_namespaces, false, NULL},
    {"mkfs.ext4", check_mkfs_ext4, false, NULL},
    {"supervisor", check_supervisor, false, NULL},
    {"agent", check_agent, false, NULL},
    {"seccomp compiler", check_filter, false, NULL},
    {"pasta", check_pasta, true, NULL},
    {"mkfs.erofs", check_mkfs_erofs, true, NULL},
    {"unpack helper", check_unpack, true, NULL},
};

enum { CHECK_COUNT = sizeof(checks) / sizeof(checks[0]) };

/* ------------------------------------------------------------- engines and tiers */

struct cell {
    const char *engine, *tier;
    bool works;
    char reason[300], hint[300];
};

static void judge(struct cell *cell, const struct finding *findings)
{
    const struct engine *engine;
    const struct tier *tier;
    lr_error e = {0};
    /* Whether this version has it at all. */
    if (engine_find(&engine, cell->engine, &e) < 0 || tier_find(&tier, cell->tier, &e) < 0) {
        snprintf(cell->reason, sizeof(cell->reason), "%.290s", e.message);
        snprintf(cell->hint, sizeof(cell->hint), "%.290s", e.hint);
        return;
    }
    for (int i = 0; i < CHECK_COUNT; i++) {
        bool needed = !checks[i].tier || strcmp(checks[i].tier, cell->tier) == 0;
        if (findings[i].ok || checks[i].optional || !needed)
            continue;
        snprintf(cell->reason, sizeof(cell->reason), "%s: %s", checks[i].name, findings[i].detail);
        snprintf(cell->hint, sizeof(cell->hint), "%s", findings[i].fix);
        return;
    }
    cell->works = true;
}

static void print_text(const struct finding *findings, const struct cell *cells, size_t count)
{
    for (int i = 0; i < CHECK_COUNT; i++) {
        const struct finding *f = &findings[i];
        printf("%-8s %-16s %s\n", f->ok ? "ok" : "missing", checks[i].name, f->detail);
        if (!f->ok && f->fix[0])
            printf("%-8s %-16s   mend it with: %s\n", "", "", f->fix);
    }
    putchar('\n');
    for (size_t i = 0; i < count; i++) {
        const struct cell *c = &cells[i];
        printf("%-8s %-7s %-6s %s\n", c->works ? "works" : "does not", c->engine, c->tier,
               c->reason);
    }
}

static int print_json(const struct finding *findings, const struct cell *cells, size_t count)
{
    json_t *found_list = json_array(), *cell_list = json_array();
    for (int i = 0; i < CHECK_COUNT; i++) {
        const struct finding *f = &findings[i];
        json_array_append_new(found_list,
                              json_pack("{ss,sb,ss,ss*}", "name", checks[i].name, "ok", f->ok,
                                        "detail", f->detail, "fix", f->fix[0] ? f->fix : NULL));
    }
    for (size_t i = 0; i < count; i++) {
        const struct cell *c = &cells[i];
        json_array_append_new(cell_list, json_pack("{ss,ss,sb,ss*,ss*}", "engine", c->engine,
                                                   "runtime", c->tier, "works", c->works, "reason",
                                                   c->reason[0] ? c->reason : NULL, "hint",
                                                   c->hint[0] ? c->hint : NULL));
    }
    json_t *document = json_pack("{so,so}", "checks", found_list, "cells", cell_list);
    cleanup_free char *text = document ? json_dumps(document, JSON_INDENT(2)) : NULL;
    json_decref(document);
    if (!text)
        return -1;
    puts(text);
    return 0;
}

int verb_doctor(int argc, char **argv)
{
    bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        puts("usage: light-runner doctor [--json]\n\n"
             "Says what works on this machine, for each engine and tier, and for each thing that "
             "is\n"
             "missing the command that mends it. Exit code 0 if runs on the local engine with the "
             "tier\n"
             "runc work, else 1.");
        return 0;
    }
    if (argc > (json ? 2 : 1))
        return cli_usage("doctor", json, "unknown argument '%s'", argv[json ? 2 : 1]);

    struct finding findings[CHECK_COUNT] = {0};
    for (int i = 0; i < CHECK_COUNT; i++)
        checks[i].function(&findings[i]);
    struct cell cells[] = {
        {.engine = "local", .tier = "runc"},   {.engine = "local", .tier = "runsc"},
        {.engine = "local", .tier = "kata"},   {.engine = "docker", .tier = "runc"},
        {.engine = "docker", .tier = "runsc"}, {.engine = "docker", .tier = "kata"},
    };
    size_t count = sizeof(cells) / sizeof(cells[0]);
    for (size_t i = 0; i < count; i++)
        judge(&cells[i], findings);

    if (!json) {
        print_text(findings, cells, count);
    } else if (print_json(findings, cells, count) < 0) {
        lr_error e = {0};
        error_oom(&e, "cli.doctor");
        return cli_fail(&e, true);
    }
    return cells[0].works ? 0 : 1;
}
