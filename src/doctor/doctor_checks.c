/* SPDX-License-Identifier: MIT */
#include "doctor/doctor_checks.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/libexec.h"
#include "base/text.h"
#include "box/box.h"
#include "engine/engine.h"
#include "host/delegation.h"
#include "host/network.h"
#include "host/process.h"
#include "host/rootless.h"
#include "host/walled.h"
#include "image/store.h"
#include "policy/seccomp_profile.h"
#include "tier/gpu/cdi.h"
#include "tier/tier.h"
#include "tier/vm/accelerator.h"

#include <assert.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <time.h>

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

/* The age at which gVisor counts as old. It has a release every week or two. */
enum { GVISOR_OLD_DAYS = 120 };

static void check_kernel(struct finding *f)
{
    struct utsname host;
    unsigned major = 0, minor = 0;
    if (uname(&host) < 0 || sscanf(host.release, "%u.%u", &major, &minor) != 2)
        missing(f, "", "the kernel's version is unknown");
    else if (major < 5 || (major == 5 && minor < 19))
        missing(f, "install a kernel of 5.19 or later", "%s is too old", host.release);
    else if (geteuid() != 0 && (major < 6 || (major == 6 && minor < 6)))
        found(f, "%s; without root, runs cannot remove folders of the image before 6.6",
              host.release);
    else
        found(f, "%s", host.release);
}

static void check_root(struct finding *f)
{
    if (geteuid() == 0 && !walled_has_capability(CAP_SYS_ADMIN))
        missing(f, walled_hint(),
                "a root without the capability CAP_SYS_ADMIN cannot make a sandbox");
    else if (geteuid() == 0)
        found(f, "yes");
    else
        found(f, "no, user %u: runs happen in a user namespace", (unsigned)geteuid());
}

static int nothing(void *user)
{
    (void)user;
    return 0;
}

static void check_own_namespace(struct finding *f)
{
    const char *command = rootless_forbidden();
    if (rootless_call(nothing, NULL) == 0)
        found(f, "can be entered");
    else
        missing(f, command[0] ? command : "see what light-runner run says", "cannot be entered");
}

static void check_subordinate_ids(struct finding *f)
{
    struct rootless_ids ids;
    cleanup_free char *map = process_find_program("newuidmap");
    rootless_find_ids(&ids, geteuid());
    char fix[160];
    snprintf(fix, sizeof(fix),
             "sudo usermod --add-subuids 100000-165535 --add-subgids "
             "100000-165535 $(id -un)");
    if (!ids.count)
        missing(f, fix,
                "none in /etc/subuid and /etc/subgid: a sandbox's root is the user, and "
                "there are no other users in it");
    else if (!map)
        missing(f, "apt-get install uidmap",
                "newuidmap is not in PATH: a sandbox's root is the "
                "user, and there are no other users in it");
    else
        found(f, "%u from %u on", ids.count, ids.first_uid);
}

static void check_delegation(struct finding *f)
{
    cleanup_free char *root = delegation_root();
    unsigned lacking = root ? delegation_lacking(root) & CGROUP_LIMITS : CGROUP_LIMITS;
    char names[64], fix[160];
    if (!lacking) {
        found(f, "memory, cpus and pids, beneath %s", root);
        return;
    }
    delegation_name_limits(names, sizeof(names), lacking);
    delegation_hint(fix, sizeof(fix), root ? root : CGROUP_ROOT);
    missing(f, fix, "this user cannot set %s; runs need --allow-unenforced %s", names, names);
}

static void check_runtime_of(struct finding *f, const char *name)
{
    const struct tier *tier;
    cleanup_free char *path = NULL;
    lrun_error e = {0};
    char version[128] = "";
    if (tier_find(&tier, name, &e) < 0 || tier_find_runtime(tier, &path, &e) < 0 ||
        tier_check_runtime(tier->runtime, path, version, sizeof(version), &e) < 0)
        missing(f, e.hint, "%s", e.message);
    else
        found(f, "%s, %s", path, version);
}

static void check_launcher(struct finding *f)
{
    const char *call = box_missing_call();
    if (call)
        missing(f, "install a kernel of 5.12 or later", "the kernel has no %s()", call);
    else
        found(f, "the kernel has the system calls of Linux 5.12");
}

static void check_qemu(struct finding *f)
{
    check_runtime_of(f, "kata");
}

static void check_guest_kernel(struct finding *f)
{
    char release[65];
    lrun_error e = {0};
    if (guest_files_release(release, &e) < 0)
        missing(f, e.hint, "%s", e.message);
    else
        found(f, "/boot/vmlinuz-%s", release);
}

static void check_accelerator(struct finding *f)
{
    char release[65];
    lrun_error e = {0};
    cleanup_store struct store *store = NULL;
    cleanup_free char *folder = NULL;
    if (guest_files_release(release, &e) < 0 || store_open(&store, true, &e) < 0 ||
        store_scratch_folder(store, &folder, &e) < 0) {
        missing(f, e.hint, "%s", e.message);
        return;
    }
    const char *known = accelerator_known(release, folder);
    if (!known)
        missing(f, "light-runner setup kata", "KVM has not been tested yet");
    else if (strcmp(known, ACCELERATOR_TCG) == 0)
        missing(f,
                "use --runtime runsc for hostile code, or a machine where the processor's "
                "virtualization can be used",
                "KVM does not work here: VMs run in an emulator, which is slow and not a security "
                "boundary");
    else
        found(f, "KVM");
}

/* Returns the days from a date like 20260901 to now. */
static long days_since(unsigned date)
{
    struct tm then = {.tm_year = (int)(date / 10000) - 1900,
                      .tm_mon = (int)(date / 100 % 100) - 1,
                      .tm_mday = (int)(date % 100)};
    return (long)((time(NULL) - timegm(&then)) / 86400);
}

/* Since this date, releases have programs beside runsc. From a month later on, releases do not
 * start without them. */
static const unsigned sidecars_since = 20260831;

static bool lacks_sidecars(void)
{
    const struct tier *tier;
    cleanup_free char *path = NULL;
    lrun_error e = {0};
    if (tier_find(&tier, "runsc", &e) < 0 || tier_find_runtime(tier, &path, &e) < 0)
        return false;
    /* The path may be a link; the programs are beside the file it leads to. */
    cleanup_free char *real = realpath(path, NULL);
    char *name = real ? strrchr(real, '/') : NULL;
    if (!name)
        return false;
    *name = '\0';
    cleanup_free char *sidecars = text_path_join(real, "gvisor-bin");
    return sidecars && access(sidecars, X_OK) < 0;
}

static void check_gvisor(struct finding *f)
{
    check_runtime_of(f, "runsc");
    unsigned date = f->ok ? tier_date_in(f->detail) : 0;
    size_t used = strlen(f->detail);
    if (date)
        snprintf(f->detail + used, sizeof(f->detail) - used, ", %ld days old", days_since(date));
    /* Isolation is only as good as its latest security fix. */
    if (date && days_since(date) > GVISOR_OLD_DAYS)
        snprintf(f->detail + strlen(f->detail), sizeof(f->detail) - strlen(f->detail),
                 "; a newer one: light-runner setup gvisor");
    /* A runsc that was built by hand contains these programs. */
    if (date >= sidecars_since && strstr(f->detail, "release-") && lacks_sidecars()) {
        char detail[sizeof(f->detail)];
        snprintf(detail, sizeof(detail), "%s", f->detail);
        missing(f, "light-runner setup gvisor", "%.150s; its folder gvisor-bin is not beside it",
                detail);
    }
}

/* Checks the daemon that the engine docker uses. */
static void check_docker(struct finding *f)
{
    cleanup_engine struct engine *engine = NULL;
    lrun_error e = {0};
    if (engine_open(&engine, "docker", NULL, &e) < 0) {
        missing(f, e.hint, "%s", e.message);
        return;
    }
    const char *host = secure_getenv("DOCKER_HOST");
    found(f, "answers at %s", host && *host ? host : "its usual place");
}

/* On other platforms, there is nothing to say. */
static void check_platform(struct finding *f)
{
    static const struct {
        const char *mark, *advice;
    } platforms[] = {
        {"microsoft",
         "WSL2: gVisor belongs here, into the distribution, not onto Windows; the daemon of Docker "
         "Desktop runs elsewhere and has its own runtimes"},
        {"linuxkit", "Docker Desktop's VM (macOS, Windows): it keeps no runtime that is installed "
                     "in it; for the tiers "
                     "runsc and kata use a Linux VM of your own"},
    };
    struct utsname host = {0};
    uname(&host);
    for (size_t i = 0; i < sizeof(platforms) / sizeof(platforms[0]); i++)
        if (strcasestr(host.release, platforms[i].mark)) {
            found(f, "%s", platforms[i].advice);
            return;
        }
    f->skipped = true;
}

/* Looks for a file system that the kernel has built in, or can load as a module. */
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
    snprintf(fix, sizeof(fix), "sudo modprobe %s", name);
    missing(f, walled_in_container() ? walled_hint() : fix, "not supported by the kernel");
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
        missing(f, walled_in_container() ? walled_hint() : "sudo modprobe loop",
                "/dev/loop-control: %s", strerrordesc_np(errno));
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

static void check_skopeo(struct finding *f)
{
    check_program(f, "skopeo", "apt-get install skopeo (or import images)");
}

static void check_fsck_erofs(struct finding *f)
{
    check_program(f, "fsck.erofs", "apt-get install erofs-utils");
}

static void check_mkfs_ext4(struct finding *f)
{
    check_program(f, "mkfs.ext4", "apt-get install e2fsprogs");
}

static void check_pasta(struct finding *f)
{
    check_program(f, "pasta", "apt-get install passt (or run with --network none)");
}

static void check_tun(struct finding *f)
{
    int number = network_device_error();
    if (number)
        missing(f, network_device_fix(number),
                NETWORK_DEVICE ": %s; runs with --network none do without it",
                strerrordesc_np(number));
    else
        found(f, NETWORK_DEVICE);
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

/* For a sandbox, the kernel does not start a program that core_pattern pipes to (RLIMIT_CORE), but
 * it does connect to a socket. */
static void check_core_pattern(struct finding *f)
{
    cleanup_free char *pattern =
        io_read_file_at(AT_FDCWD, "/proc/sys/kernel/core_pattern", 4096, NULL);
    if (pattern)
        pattern[strcspn(pattern, "\n")] = '\0';
    if (!pattern)
        missing(f, "mount -t proc proc /proc", "/proc/sys/kernel/core_pattern cannot be read");
    else if (pattern[0] == '@')
        missing(f, "sysctl -w kernel.core_pattern=core",
                "'%.80s' is a socket: a service of the host gets the memory of programs that crash "
                "in a "
                "sandbox of the tier runc",
                pattern);
    else
        found(f, "'%.80s' gets nothing from a sandbox", pattern);
}

static void check_seccomp(struct finding *f)
{
    json_t *profile = NULL;
    lrun_error e = {0};
    if (seccomp_profile_load(&profile, SECCOMP_PROFILE, &e) == 0)
        found(f, "%s", SECCOMP_PROFILE);
    else
        missing(f, e.hint[0] ? e.hint : "apt-get install golang-github-containers-common", "%s",
                e.message);
    json_decref(profile);
}

static void check_helper(struct finding *f, const char *program)
{
    lrun_error e = {0};
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

static void check_gpus(struct finding *f)
{
    struct cdi gpus;
    lrun_error e = {0};
    char list[160];
    if (cdi_load(&gpus, &e) < 0) {
        missing(f, e.hint, "%s", e.message);
    } else if (gpus.device_count == 0) {
        missing(f, CDI_HINT_GENERATE, "no CDI spec of a GPU in " CDI_FOLDERS);
    } else {
        cdi_list(&gpus, list, sizeof(list));
        found(f, "%s", list);
    }
    cdi_free(&gpus);
}

const struct doctor_check doctor_checks[] = {
    {"kernel", check_kernel, false, ALL, NULL},
    {"root", check_root, false, ALL, NULL},
    {"launcher", check_launcher, false, ALL, "runc"},
    {"gVisor", check_gvisor, false, ROOT, "runsc"},
    {"QEMU", check_qemu, false, ROOT, "kata"},
    {"guest kernel", check_guest_kernel, false, ROOT, "kata"},
    {"KVM", check_accelerator, true, ROOT, "kata"},
    {"Docker", check_docker, true, ALL, NULL},
    {"platform", check_platform, true, ALL, NULL},
    {"erofs", check_erofs, false, ROOT, NULL},
    {"fsck.erofs", check_fsck_erofs, false, USER, NULL},
    {"overlay", check_overlay, false, ALL, NULL},
    {"loop devices", check_loop, false, ROOT, NULL},
    {"cgroups", check_cgroup, false, ALL, NULL},
    {"delegation", check_delegation, false, USER, NULL},
    {"core dumps", check_core_pattern, true, ALL, "runc"},
    {"seccomp profile", check_seccomp, false, ALL, NULL},
    {"user namespaces", check_user_namespaces, false, ALL, NULL},
    {"own namespace", check_own_namespace, false, USER, NULL},
    {"subordinate ids", check_subordinate_ids, true, USER, NULL},
    {"mkfs.ext4", check_mkfs_ext4, false, ROOT, NULL},
    {"supervisor", check_supervisor, false, ALL, NULL},
    {"agent", check_agent, false, ALL, NULL},
    {"seccomp compiler", check_filter, false, ALL, NULL},
    {"pasta", check_pasta, true, ALL, NULL},
    {"network device", check_tun, true, ALL, NULL},
    {"mkfs.erofs", check_mkfs_erofs, true, ALL, NULL},
    {"skopeo", check_skopeo, true, ALL, NULL},
    {"unpack helper", check_unpack, true, ALL, NULL},
    {"gpus (CDI)", check_gpus, true, ROOT, NULL},
};

static_assert(sizeof(doctor_checks) / sizeof(doctor_checks[0]) == DOCTOR_CHECKS,
              "as many as there are findings");

void doctor_check_all(struct finding findings[DOCTOR_CHECKS])
{
    for (int i = 0; i < DOCTOR_CHECKS; i++)
        if (doctor_checks[i].who == (geteuid() == 0 ? USER : ROOT))
            findings[i].skipped = true;
        else
            doctor_checks[i].function(&findings[i]);
}
