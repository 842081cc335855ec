/* SPDX-License-Identifier: MIT */
#include "host/rootless.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "host/id_range.h"
#include "host/process.h"
#include "host/spawn.h"

#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>

#define OPERATION "rootless.enter"

enum { IDS_FILE_MAX = 1 << 20, MAP_TIMEOUT_MS = 10000, CALL_TIMEOUT_MS = 10 * 60 * 1000 };

/* Global, because a process is in one namespace, as it has one set of ids. */
static struct {
    bool active;
    uid_t uid; /* on the host */
    struct rootless_ids ids;
} here;

bool rootless_active(void)
{
    return here.active;
}

uid_t rootless_host_uid(void)
{
    return here.active ? here.uid : geteuid();
}

void rootless_sandbox_ids(uint32_t *first, uint32_t *count, uint32_t *host_first)
{
    bool many = here.ids.count > 0;
    *first = many ? 1 : 0;
    *count = many ? here.ids.count : 1;
    *host_first = many ? here.ids.first_uid : here.uid;
}

/* -------------------------------------------------------------- subordinate ids */

/* Reads the number up to `end`. */
static bool read_number(const char **at, char end, uint32_t *out)
{
    char *behind;
    errno = 0;
    unsigned long value = strtoul(*at, &behind, 10);
    if (errno || behind == *at || (**at < '0' || **at > '9') || value > UINT32_MAX ||
        (*behind != end && !(end == '\n' && *behind == '\0')))
        return false;
    *at = behind + (*behind != '\0');
    *out = (uint32_t)value;
    return true;
}

bool rootless_read_ids(const char *path, const char *name, uid_t uid, uint32_t *first,
                       uint32_t *count)
{
    cleanup_free char *text = io_read_file_at(AT_FDCWD, path, IDS_FILE_MAX, NULL);
    char number[16];
    snprintf(number, sizeof(number), "%u", (unsigned)uid);
    *count = 0;
    for (const char *line = text, *next; line && *line; line = next) {
        next = strchrnul(line, '\n');
        next += *next != '\0';
        size_t length = strcspn(line, ":\n");
        bool ours = (name && length == strlen(name) && memcmp(line, name, length) == 0) ||
                    (length == strlen(number) && memcmp(line, number, length) == 0);
        const char *at = line + length + 1;
        uint32_t from, many;
        if (ours && line[length] == ':' && read_number(&at, ':', &from) &&
            read_number(&at, '\n', &many) && from > 0 && many <= UINT32_MAX - from &&
            many > *count) {
            *first = from;
            *count = many;
        }
    }
    return *count > 0;
}

void rootless_find_ids(struct rootless_ids *out, uid_t uid)
{
    const struct passwd *user = getpwuid(uid);
    uint32_t uids, gids;
    *out = (struct rootless_ids){0};
    cleanup_free char *name = user ? strdup(user->pw_name) : NULL;
    if (!rootless_read_ids("/etc/subuid", name, uid, &out->first_uid, &uids) ||
        !rootless_read_ids("/etc/subgid", name, uid, &out->first_gid, &gids))
        return;
    uint32_t least = uids < gids ? uids : gids;
    out->count = least < ID_RANGE_SIZE ? least : ID_RANGE_SIZE;
}

/* Finds the ids that can be mapped: they are of no use without the program that maps them. */
static void find_usable_ids(struct rootless_ids *out)
{
    cleanup_free char *program = process_find_program("newuidmap");
    rootless_find_ids(out, geteuid());
    /* newuidmap rejects a user without a name. */
    if (!program || !getpwuid(geteuid()))
        out->count = 0;
}

bool rootless_has_ids(void)
{
    struct rootless_ids ids = here.ids;
    if (!here.active && geteuid() != 0)
        find_usable_ids(&ids);
    return ids.count > 0;
}

/* -------------------------------------------------------------- entering */

const char *rootless_forbidden(void)
{
    static const struct {
        const char *path;
        bool zero; /* true: 0 forbids; false: any other value forbids */
        const char *command;
    } switches[] = {
        {"/proc/sys/user/max_user_namespaces", true,
         "sudo sysctl -w user.max_user_namespaces=10000"},
        {"/proc/sys/kernel/unprivileged_userns_clone", true,
         "sudo sysctl -w kernel.unprivileged_userns_clone=1"},
        {"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", false,
         "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
    };
    for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
        cleanup_free char *text = io_read_file_at(AT_FDCWD, switches[i].path, 64, NULL);
        if (text && (strtoul(text, NULL, 10) == 0) == switches[i].zero)
            return switches[i].command;
    }
    return "";
}

static int run_mapper(const char *program, pid_t pid, unsigned own, uint32_t first, uint32_t count,
                      lrun_error *err)
{
    char target[16], outside[16], from[16], many[16];
    snprintf(target, sizeof(target), "%d", (int)pid);
    snprintf(outside, sizeof(outside), "%u", own);
    snprintf(from, sizeof(from), "%u", first);
    snprintf(many, sizeof(many), "%u", count);
    const char *const argv[] = {program, target, "0", outside, "1", "1", from, many, NULL};
    return spawn_program(argv, MAP_TIMEOUT_MS, NULL, 0, LRUN_START_FAILED, err);
}

/* Runs in a child that stays outside: only there do newuidmap and newgidmap have their
 * privileges. */
static _Noreturn void map_from_outside(int go, int text, pid_t pid, const struct rootless_ids *ids)
{
    char byte;
    lrun_error e = {0};
    if (io_read_exact(go, &byte, 1, clock_ms() + MAP_TIMEOUT_MS) < 0)
        _exit(1);
    if (run_mapper("newuidmap", pid, geteuid(), ids->first_uid, ids->count, &e) == 0 &&
        run_mapper("newgidmap", pid, getegid(), ids->first_gid, ids->count, &e) == 0)
        _exit(0);
    (void)io_write_all(text, e.message, strlen(e.message), clock_ms() + MAP_TIMEOUT_MS);
    _exit(1);
}

static int cannot_make(int failed, lrun_error *err)
{
    error_errno(err, LRUN_START_FAILED, OPERATION, failed,
                "without root a run needs a user namespace, which this machine does not allow");
    const char *command = rootless_forbidden();
    return error_hint(err, "%s", command[0] ? command : "run as root");
}

static int map_one(uid_t uid, gid_t gid, lrun_error *err)
{
    char uid_map[32], gid_map[32];
    snprintf(uid_map, sizeof(uid_map), "0 %u 1", (unsigned)uid);
    snprintf(gid_map, sizeof(gid_map), "0 %u 1", (unsigned)gid);
    if (io_write_control(AT_FDCWD, "/proc/self/setgroups", "deny") < 0 ||
        io_write_control(AT_FDCWD, "/proc/self/uid_map", uid_map) < 0 ||
        io_write_control(AT_FDCWD, "/proc/self/gid_map", gid_map) < 0)
        return cannot_make(errno, err);
    return 0;
}

static int enter_with_ids(const struct rootless_ids *ids, lrun_error *err)
{
    int go[2], text[2];
    if (pipe2(go, O_CLOEXEC) < 0)
        return error_errno(err, LRUN_START_FAILED, OPERATION, errno, "cannot make a pipe");
    cleanup_close int go_read = go[0], go_write = go[1];
    if (pipe2(text, O_CLOEXEC) < 0)
        return error_errno(err, LRUN_START_FAILED, OPERATION, errno, "cannot make a pipe");
    cleanup_close int text_read = text[0], text_write = text[1];
    pid_t self = getpid();
    __attribute__((cleanup(process_destroy))) struct process mapper = {.pidfd = -1};
    pid_t pid = process_clone(&mapper, 0);
    if (pid == 0) {
        close(steal_fd(&go_write));
        map_from_outside(go_read, text_write, self, ids);
    }
    if (pid < 0)
        return error_errno(err, LRUN_START_FAILED, OPERATION, errno, "cannot fork");
    close(steal_fd(&text_write));
    if (unshare(CLONE_NEWUSER) < 0)
        return cannot_make(errno, err);
    struct process_status status;
    if (io_write_all(go_write, "x", 1, clock_ms() + MAP_TIMEOUT_MS) < 0 ||
        process_wait(&mapper, clock_ms() + (int64_t)3 * MAP_TIMEOUT_MS, &status) < 0)
        return error_errno(err, LRUN_START_FAILED, OPERATION, errno,
                           "the user's subordinate ids cannot be mapped");
    if (status.code == 0)
        return 0;
    char said[400] = "";
    ssize_t n = read(text_read, said, sizeof(said) - 1);
    said[n > 0 ? n : 0] = '\0';
    error_set(err, LRUN_START_FAILED, OPERATION, "the user's subordinate ids cannot be mapped: %s",
              said);
    return error_hint(err, "apt-get install uidmap, and see that /etc/subuid and /etc/subgid are "
                           "right, or remove the user's lines there");
}

int rootless_enter(lrun_error *err)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();
    if (here.active || uid == 0)
        return 0;
    struct rootless_ids ids;
    find_usable_ids(&ids);
    if (ids.count > 0) {
        if (enter_with_ids(&ids, err) < 0)
            return -1;
    } else if (unshare(CLONE_NEWUSER) < 0) {
        return cannot_make(errno, err);
    } else if (map_one(uid, gid, err) < 0) {
        return -1;
    }
    here.active = true;
    here.uid = uid;
    here.ids = ids;
    return 0;
}

int rootless_call(int (*function)(void *user), void *user)
{
    __attribute__((cleanup(process_destroy))) struct process child = {.pidfd = -1};
    pid_t pid = process_clone(&child, 0);
    if (pid == 0) {
        lrun_error e = {0};
        _exit(rootless_enter(&e) < 0 ? 127 : function(user) == 0 ? 0 : 1);
    }
    struct process_status status;
    if (pid < 0 || process_wait(&child, clock_ms() + CALL_TIMEOUT_MS, &status) < 0)
        return -1;
    return status.code == 0 ? 0 : -1;
}
