/* SPDX-License-Identifier: MIT */
/*
 * light-runner-setup-gvisor: the program behind `light-runner setup gvisor`. It downloads
 * gVisor's programs, checks them, installs them, and registers them with Docker:
 *
 *      1  check everything that can be wrong on this machine
 *      2  download the release into unnamed files, and compare it with its SHA-512: one archive
 *         (gvisor_archive.h) or, in releases before September 2026, each program by itself
 *      3  install all programs by rename
 *      4  add the runtime to daemon.json, by rename; everything else in it stays
 *      5  tell the daemon to read the file again (SIGHUP), and ask it whether it has the runtime
 *
 * Nothing is changed before step 3. If this program is killed, at any moment,
 * nothing is half done.
 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "cli/setup_flags.h"
#include "engine/docker/daemon.h"
#include "host/spawn.h"
#include "install/docker_config.h"
#include "install/download.h"
#include "install/gvisor_archive.h"
#include "install/report.h"
#include "tier/tier.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#define OPERATION "setup.install"
#define ARCHIVE   "gvisor.tar.zstd"

enum {
    ARCHIVE_MAX_MIB = 1024,
    PROGRAM_MAX_MIB = 512,
    ACCEPT_TIMEOUT = 15000,
    VERSION_TIMEOUT = 10000
};

/* runsc last: a program that finds runsc also finds the shim. */
static const char *const programs[] = {GVISOR_SHIM, "runsc"};
enum { PROGRAM_COUNT = sizeof(programs) / sizeof(programs[0]), RUNSC = PROGRAM_COUNT - 1 };

/* The flags with which a daemon must start it for light-runner (docs/docker.md). */
static const char *const runtime_flags[] = {"--platform=systrap", "--in-sandbox-cgroup=v2",
                                            "--host-settings=ignore", NULL};

struct setup {
    struct gvisor_words words;
    char base[600];              /* URL of the programs on the server */
    char *target[PROGRAM_COUNT]; /* their paths here */
    char *variant;               /* name of the runtime for runs without a network */
    int files[PROGRAM_COUNT];
    struct gvisor_archive archive; /* empty: the release has no archive */
    char version[200];
    struct docker_config config;
    bool changed, reloaded, accepted;
};

static void setup_free(struct setup *s)
{
    for (int i = 0; i < PROGRAM_COUNT; i++) {
        free(s->target[i]);
        cleanup_close_fd(&s->files[i]);
    }
    free(s->variant);
    gvisor_archive_free(&s->archive);
    docker_config_free(&s->config);
}

/* ---------------------------------------------------------------- words */

/* Accepts "latest", "20260901", "20260901.0", or a date with "release-" in front. */
static int check_release(struct setup *s, lrun_error *err)
{
    static const char prefix[] = "release-";
    if (strncmp(s->words.release, prefix, strlen(prefix)) == 0)
        s->words.release += strlen(prefix);
    size_t date = strspn(s->words.release, "0123456789"), rest = strlen(s->words.release) - date;
    const char *point = s->words.release + date;
    bool dated = date == 8 && (rest == 0 || (*point == '.' && rest > 1 && rest < 6 &&
                                             strspn(point + 1, "0123456789") == rest - 1));
    if (dated || strcmp(s->words.release, "latest") == 0)
        return 0;
    error_set(err, LRUN_INVALID_ARGUMENT, "setup.flags", "release: '%.60s' is not a gVisor release",
              s->words.release);
    return error_hint(err, "give latest, or a date with a number after it, like 20260901.0");
}

/* Whether the URL uses TLS or leads to this machine. "http://127.0.0.1@elsewhere" leads
 * elsewhere. So may a host that only looks like an address, because DNS resolves it. */
static bool is_trusted_url(const char *url)
{
    static const char plain[] = "http://";
    char host[64];
    struct in_addr address;
    if (strncmp(url, "https://", 8) == 0)
        return true;
    if (strncmp(url, plain, strlen(plain)) != 0)
        return false;
    const char *authority = url + strlen(plain);
    size_t length = strcspn(authority, "/?#"), name = strcspn(authority, ":/?#");
    if (name >= sizeof(host) || memchr(authority, '@', length) || memchr(authority, '\\', length))
        return false;
    memcpy(host, authority, name);
    host[name] = '\0';
    return strcmp(host, "localhost") == 0 ||
           (inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127);
}

static int check_words(struct setup *s, lrun_error *err)
{
    static const char name_letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    struct utsname host;
    uname(&host);
    if (!is_trusted_url(s->words.mirror)) {
        error_set(err, LRUN_INVALID_ARGUMENT, "setup.flags",
                  "mirror: '%.100s' is not an https URL, nor an http URL of this machine",
                  s->words.mirror);
        return error_hint(err, "use https://: the digests come from there too, and what is "
                               "installed is run as root");
    }
    if (s->words.prefix[0] != '/' || s->words.daemon_json[0] != '/')
        return error_set(err, LRUN_INVALID_ARGUMENT, "setup.flags",
                         "prefix, daemon-json: must be absolute paths");
    if (!*s->words.runtime || strspn(s->words.runtime, name_letters) != strlen(s->words.runtime) ||
        strcmp(s->words.runtime, "runc") == 0)
        return error_set(err, LRUN_INVALID_ARGUMENT, "setup.flags",
                         "name: '%.60s' is not a name for this runtime", s->words.runtime);
    if (strcmp(host.machine, "x86_64") != 0 && strcmp(host.machine, "aarch64") != 0)
        return error_set(err, LRUN_NOT_SUPPORTED, "setup.machine",
                         "there is no gVisor for machines of '%s'", host.machine);
    size_t length = strlen(s->words.mirror);
    while (length > 0 && s->words.mirror[length - 1] == '/')
        length--;
    int n = snprintf(s->base, sizeof(s->base), "%.*s/%s/%s", (int)length, s->words.mirror,
                     s->words.release, host.machine);
    return n > 0 && (size_t)n < sizeof(s->base) - 64
               ? 0
               : error_set(err, LRUN_INVALID_ARGUMENT, "setup.flags", "mirror: too long");
}

/* ---------------------------------------------------------------- steps */

__attribute__((format(printf, 2, 3))) static void tell(const struct setup *s, const char *format,
                                                       ...)
{
    va_list arguments;
    if (s->words.json)
        return;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    fputc('\n', stdout);
    fflush(stdout);
}

static int open_prefix(const struct setup *s, int *dir, lrun_error *err)
{
    *dir = open(s->words.prefix, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*dir >= 0 && flock(*dir, LOCK_EX | LOCK_NB) == 0)
        return 0;
    return *dir >= 0 && errno == EWOULDBLOCK
               ? error_set(err, LRUN_IO_FAILED, OPERATION,
                           "another setup is at work in '%s': nothing was done", s->words.prefix)
               : error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot open '%s'",
                             s->words.prefix);
}

/* Opens an unnamed file, so that nothing is left of it. */
static int open_file(const struct setup *s, int *file, int dir, lrun_error *err)
{
    *file = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (*file >= 0)
        return 0;
    error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot write to '%s'", s->words.prefix);
    return geteuid() == 0
               ? -1
               : error_hint(err,
                            "sudo light-runner setup gvisor, or --prefix with a folder of yours");
}

/* Returns 0, -1, or DOWNLOAD_MISSING if the server has no digest for that file. */
static int download(const struct setup *s, const char *name, int file, uint64_t max_mib,
                    char digest[DOWNLOAD_HEX_LENGTH + 1], lrun_error *err)
{
    char url[700], wanted[DOWNLOAD_HEX_LENGTH + 1];
    snprintf(url, sizeof(url), "%s/%s", s->base, name);
    const struct download d = {
        .url = url, .max_bytes = max_mib << 20, .bar = isatty(STDERR_FILENO) == 1};
    int rc = download_digest(url, wanted, err);
    if (rc < 0)
        return rc;
    tell(s, "downloading %s", url);
    if (download_file(file, &d, digest, err) < 0)
        return -1;
    if (strcmp(wanted, digest) == 0)
        return 0;
    error_set(err, LRUN_IO_FAILED, "setup.verify",
              "'%s' does not match its SHA-512: nothing was installed", url);
    return error_hint(err, "try again; if it stays so, do not use that server");
}

/* The file gets a temporary name first: only a named file can be renamed over an existing one. */
static int put_in_place(const struct setup *s, int dir, int i, lrun_error *err)
{
    char source[64], temporary[64];
    snprintf(source, sizeof(source), "/proc/self/fd/%d", s->files[i]);
    snprintf(temporary, sizeof(temporary), ".%s.%d", programs[i], (int)getpid());
    if (fchmod(s->files[i], 0755) == 0 && fsync(s->files[i]) == 0 &&
        linkat(AT_FDCWD, source, dir, temporary, AT_SYMLINK_FOLLOW) == 0) {
        if (renameat(dir, temporary, dir, programs[i]) == 0)
            return 0;
        unlinkat(dir, temporary, 0);
    }
    return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot put '%s' in place",
                       s->target[i]);
}

/* Returns like download(). */
static int install_archive(struct setup *s, int dir, lrun_error *err)
{
    char digest[DOWNLOAD_HEX_LENGTH + 1];
    cleanup_close int file = -1;
    if (open_file(s, &file, dir, err) < 0)
        return -1;
    int rc = download(s, ARCHIVE, file, ARCHIVE_MAX_MIB, digest, err);
    if (rc < 0)
        return rc;
    tell(s, "unpacking");
    return gvisor_archive_unpack(&s->archive, file, dir, err) < 0 ||
                   gvisor_archive_install(&s->archive, dir, digest, err) < 0
               ? -1
               : 0;
}

static int install_programs(struct setup *s, int dir, lrun_error *err)
{
    char digest[DOWNLOAD_HEX_LENGTH + 1];
    for (int i = 0; i < PROGRAM_COUNT; i++)
        if (open_file(s, &s->files[i], dir, err) < 0 ||
            download(s, programs[i], s->files[i], PROGRAM_MAX_MIB, digest, err) < 0)
            return -1;
    for (int i = 0; i < PROGRAM_COUNT; i++) {
        if (put_in_place(s, dir, i, err) < 0)
            return -1;
        /* A program that is open for writing cannot be started. */
        cleanup_close_fd(&s->files[i]);
    }
    return 0;
}

static int install(struct setup *s, lrun_error *err)
{
    cleanup_close int dir = -1;
    if (open_prefix(s, &dir, err) < 0)
        return -1;
    int rc = install_archive(s, dir, err);
    if (rc == DOWNLOAD_MISSING)
        rc = install_programs(s, dir, err);
    if (rc < 0)
        return -1;
    for (int i = 0; i < PROGRAM_COUNT; i++)
        tell(s, "installed %s", s->target[i]);
    const char *const argv[] = {s->target[RUNSC], "--version", NULL};
    if (spawn_program(argv, VERSION_TIMEOUT, s->version, sizeof(s->version), LRUN_IO_FAILED, err) <
        0)
        return error_context(err, "the installed program does not start");
    s->version[strcspn(s->version, "\n")] = '\0';
    text_make_printable(s->version);
    tell(s, "%s", s->version);
    return 0;
}

/* Whether the process is a Docker daemon, judged by its executable: the process id may have
 * been reused since. */
static bool is_dockerd(pid_t pid)
{
    static const char name[] = "dockerd", replaced[] = " (deleted)";
    char link[32], path[PATH_MAX];
    snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
    ssize_t n = readlink(link, path, sizeof(path) - 1);
    if (n < 0)
        return false;
    path[n] = '\0';
    const char *base = strrchr(path, '/');
    return base && strncmp(base + 1, name, strlen(name)) == 0 &&
           (base[1 + strlen(name)] == '\0' || strcmp(base + 1 + strlen(name), replaced) == 0);
}

/* Makes the daemon read its configuration again, with SIGHUP. Also returns 0 if
 * there is no daemon. */
static int reload(struct setup *s, lrun_error *err)
{
    cleanup_free char *text = io_read_file_at(AT_FDCWD, s->words.pid_file, 64, NULL);
    uint64_t pid = 0;
    if (text)
        text[strcspn(text, "\n")] = '\0';
    if (!text || !text_parse_u64(text, &pid) || pid < 2 || pid > INT32_MAX) {
        tell(s, "no Docker daemon runs here (%s): it will know the runtime when it is started",
             s->words.pid_file);
        return 0;
    }
    cleanup_close int fd = pidfd_open((pid_t)pid, 0);
    /* Checked while we hold the pidfd: the signal goes to the process that was
     * checked, or to none. */
    if ((fd < 0 && errno == ESRCH) || (fd >= 0 && !is_dockerd((pid_t)pid))) {
        tell(s,
             "process %d, which %s names, is not a Docker daemon: it will know the runtime when "
             "it is started",
             (int)pid, s->words.pid_file);
        return 0;
    }
    if (fd < 0 || pidfd_send_signal(fd, SIGHUP, NULL, 0) < 0) {
        error_errno(err, LRUN_IO_FAILED, "setup.reload", errno,
                    "cannot tell the Docker daemon (process %d) to reload", (int)pid);
        return error_hint(err, "systemctl reload docker");
    }
    s->reloaded = true;
    tell(s, "the Docker daemon reads %s again", s->config.path);
    return 0;
}

static bool has_runtimes(struct daemon *d, const struct setup *s)
{
    lrun_error ignored;
    struct http_request request = {
        .operation = "setup.check", .method = "GET", .timeout_ms = HTTP_PING_TIMEOUT};
    cleanup_answer struct http_answer answer = {0};
    daemon_call(d, &request, &answer, &ignored, "/info");
    const json_t *runtimes = answer.status == 200 ? json_object_get(answer.body, "Runtimes") : NULL;
    return json_object_get(runtimes, s->words.runtime) && json_object_get(runtimes, s->variant);
}

static int check(struct setup *s, lrun_error *err)
{
    struct daemon d;
    int64_t deadline = clock_ms() + ACCEPT_TIMEOUT;
    if (!s->reloaded)
        return 0;
    if (daemon_open(&d, NULL, err) < 0)
        return -1;
    while (!(s->accepted = has_runtimes(&d, s)) && clock_ms() < deadline)
        poll(NULL, 0, 200);
    daemon_close(&d);
    if (!s->accepted) {
        error_set(err, LRUN_START_FAILED, "setup.check",
                  "the Docker daemon does not have the runtime '%s'", s->words.runtime);
        return error_hint(
            err, "see its log: journalctl -u docker; is its configuration another file than %s?",
            s->config.path);
    }
    tell(s,
         "Docker has the runtime '%s'; see for yourself: light-runner verify --engine docker "
         "--runtime %s",
         s->words.runtime, s->words.runtime);
    return 0;
}

static int set_up_docker(struct setup *s, lrun_error *err)
{
    if (!s->words.docker)
        return 0;
    s->changed = docker_config_changes(&s->config);
    if (s->changed) {
        if (docker_config_write(&s->config, err) < 0)
            return -1;
        tell(s, "registered the runtimes '%s' and '%s' in %s", s->words.runtime, s->variant,
             s->config.path);
    }
    return reload(s, err) < 0 ? -1 : check(s, err);
}

__attribute__((format(printf, 2, 3))) static void add_step(json_t *steps, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    json_array_append_new(steps, json_vsprintf(format, arguments));
    va_end(arguments);
}

static void list_steps(const struct setup *s, json_t *steps)
{
    const char *const files[] = {ARCHIVE, programs[0], programs[1]};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        add_step(steps, "%sdownload %s/%s, compare it with the SHA-512 in %s/%s.sha512",
                 i > 0 ? "if there is no such archive, " : "", s->base, files[i], s->base,
                 files[i]);
    for (int i = 0; i < PROGRAM_COUNT; i++)
        add_step(steps, "install %s", s->target[i]);
    if (!s->words.docker)
        return;
    const char *const names[] = {s->words.runtime, s->variant};
    for (size_t i = 0; docker_config_changes(&s->config) && i < 2; i++) {
        cleanup_free char *text = json_dumps(
            json_object_get(json_object_get(s->config.after, "runtimes"), names[i]), JSON_COMPACT);
        add_step(steps, "write %s with the runtime \"%s\": %s", s->config.path, names[i],
                 text ? text : "");
    }
    add_step(steps, "send SIGHUP to the process in %s, if there is one", s->words.pid_file);
    add_step(steps, "ask the Docker daemon whether it has the runtimes");
}

static int print_document(json_t *document)
{
    cleanup_free char *text = document ? json_dumps(document, JSON_INDENT(2)) : NULL;
    json_decref(document);
    if (!text)
        return REPORT_FAILED;
    puts(text);
    return 0;
}

static int print_steps(const struct setup *s)
{
    json_t *steps = json_array(), *step;
    size_t i;
    list_steps(s, steps);
    if (s->words.json)
        return print_document(json_pack("{sb,so}", "dryRun", 1, "steps", steps));
    json_array_foreach (steps, i, step)
        printf("%s\n", json_string_value(step));
    json_decref(steps);
    return 0;
}

/* New reference. */
static json_t *sidecars(const struct setup *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->archive.count; i++)
        if (s->archive.parts[i].sidecar)
            json_array_append_new(list, json_string(s->archive.parts[i].name));
    return list;
}

static int print_json(const struct setup *s)
{
    json_t *document = json_pack(
        "{ss,ss,s[ss],so,s{sb,sb,sb,sb}}", "release", s->words.release, "version", s->version,
        "installed", s->target[0], s->target[1], "sidecars", sidecars(s), "docker", "asked",
        s->words.docker, "changed", s->changed, "reloaded", s->reloaded, "accepted", s->accepted);
    return print_document(document);
}

static int prepare(struct setup *s, lrun_error *err)
{
    if (check_release(s, err) < 0 || check_words(s, err) < 0)
        return -1;
    for (int i = 0; i < PROGRAM_COUNT; i++)
        if (!(s->target[i] = text_path_join(s->words.prefix, programs[i])))
            return error_oom(err, "setup");
    if (!s->words.docker)
        return 0;
    if (asprintf(&s->variant, "%s" TIER_GVISOR_NO_NETWORK, s->words.runtime) < 0) {
        s->variant = NULL;
        return error_oom(err, "setup");
    }
    if (docker_config_open(&s->config, s->words.daemon_json, s->words.runtime, s->target[RUNSC],
                           runtime_flags, err) < 0)
        return -1;
    return docker_config_add_variant(&s->config, s->words.runtime, s->variant,
                                     TIER_GVISOR_NO_NETWORK_FLAG, err);
}

int main(int argc, char **argv)
{
    __attribute__((cleanup(setup_free))) struct setup s = {
        .words = {.release = "latest",
                  .mirror = GVISOR_MIRROR,
                  .prefix = "/usr/local/bin",
                  .daemon_json = "/etc/docker/daemon.json",
                  .pid_file = "/var/run/docker.pid",
                  .runtime = "runsc",
                  .docker = true},
        .files = {-1, -1},
    };
    lrun_error e = {0};
    umask(022);
    signal(SIGPIPE, SIG_IGN);
    if (flags_parse(&setup_gvisor_command, &s.words, argc, argv, &e) < 0)
        return report_failure(&e, s.words.json);
    if (s.words.help) {
        flags_help(&setup_gvisor_command);
        return report_end(0);
    }
    if (prepare(&s, &e) < 0)
        return report_failure(&e, s.words.json);
    if (s.words.dry_run)
        return report_end(print_steps(&s));
    if (install(&s, &e) < 0 || set_up_docker(&s, &e) < 0)
        return report_failure(&e, s.words.json);
    return report_end(s.words.json ? print_json(&s) : 0);
}
