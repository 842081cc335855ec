/* SPDX-License-Identifier: MIT */
#include "host/spawn.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "host/spawn_confine.h"
#include "host/walled.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define OPERATION "spawn.run"
#define TICK_MS   200

/* Puts the fds at 0 and the following numbers, and has all others closed at exec. */
static void set_up_fds(const struct spawn *s, const int stdio[3])
{
    enum { MAX = 3 + SPAWN_MORE_MAX };
    int high[MAX], count = 3 + (int)s->more_count;
    if (s->more_count > SPAWN_MORE_MAX)
        _exit(127);
    /* Move them out of the way first, so that no dup2() overwrites a source that is still
     * needed. */
    for (int i = 0; i < count; i++)
        if ((high[i] = fcntl(i < 3 ? stdio[i] : s->more_fds[i - 3], F_DUPFD_CLOEXEC, count)) < 0)
            _exit(127);
    for (int i = 0; i < count; i++)
        if (dup2(high[i], i) < 0)
            _exit(127);
    /* No other file, even if a caller of the library has opened files without O_CLOEXEC. */
    close_range((unsigned)count, ~0u, CLOSE_RANGE_CLOEXEC);
}

static void set_up_child(const struct spawn *s, const char *program, const int stdio[3], int parent)
{
    const struct spawn_room room = {s->trees, s->tree_count, s->max_memory};
    if (s->confinement && spawn_confine(s->confinement, &room, program, parent) < 0) {
        dprintf(stdio[2], "cannot confine it: %s\n", strerror(errno));
        _exit(127);
    }
    /* The bounding set limits what a program that root executes can get. Without root there is
     * nothing to take away, and the call fails. */
    for (unsigned long c = 0; c < 64; c++)
        if (!(s->capabilities >> c & 1))
            prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
    const struct rlimit none = {0};
    if (!s->trusted) {
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        setrlimit(RLIMIT_CORE, &none);
    }
    struct rlimit files;
    if (s->max_file_bytes && getrlimit(RLIMIT_FSIZE, &files) == 0 &&
        s->max_file_bytes < files.rlim_max) {
        files = (struct rlimit){s->max_file_bytes, s->max_file_bytes};
        setrlimit(RLIMIT_FSIZE, &files);
    }
    if (s->folder && chdir(s->folder) < 0)
        _exit(127);
    set_up_fds(s, stdio);
    /* Last: after this, the filter allows only the system calls that the helper needs. */
    const struct spawn_walls *calls = s->confinement ? s->confinement : s->calls;
    if (calls && spawn_put_on_filter(calls) < 0)
        _exit(127);
}

static int start(const struct spawn *s, const char *program, const int stdio[3],
                 struct process *out, lrun_error *err)
{
    cleanup_close int self = pidfd_open(getpid(), 0);
    pid_t pid = self < 0 ? -1 : process_clone(out, s->confinement ? SPAWN_NAMESPACES : 0);
    if (pid < 0) {
        /* Docker's seccomp profile does not let a container make namespaces. */
        bool forbidden = errno == ENOSYS || errno == EPERM;
        error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot start '%s'", program);
        return forbidden ? error_hint(err, "%s", walled_hint()) : -1;
    }
    if (pid == 0) {
        set_up_child(s, program, stdio, self);
        execve(s->confinement ? SPAWN_PROGRAM : program, (char *const *)s->argv,
               (char *const *)s->environment);
        dprintf(2, "cannot execute '%s': %s\n", program, strerror(errno));
        _exit(127);
    }
    return 0;
}

/* Keeps the first bytes of a stream and drops the rest. Returns false at the end of the stream. */
static bool take(int fd, char *to, size_t size, size_t *used)
{
    char chunk[4096];
    ssize_t n = read(fd, chunk, sizeof(chunk));
    if (n < 0)
        return errno == EINTR || errno == EAGAIN;
    size_t room = size - 1 - *used, keep = (size_t)n < room ? (size_t)n : room;
    memcpy(to + *used, chunk, keep);
    *used += keep;
    to[*used] = '\0';
    return n > 0;
}

/* The text may name files of an archive, and will be shown on a terminal. */
static void make_printable(char *text)
{
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == '\n')
        text[--length] = '\0';
    text_make_printable(text);
}

static int drain(const struct spawn *s, int out_fd, int err_fd, int64_t deadline,
                 struct spawn_result *result, lrun_error *err)
{
    struct pollfd fds[2] = {{.fd = out_fd, .events = POLLIN}, {.fd = err_fd, .events = POLLIN}};
    size_t out_used = 0, err_used = 0;
    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        int timeout = io_poll_timeout(deadline);
        if (s->tick && (timeout < 0 || timeout > TICK_MS))
            timeout = TICK_MS;
        int n = poll(fds, 2, timeout);
        if (n < 0 && errno != EINTR)
            return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot read from '%s'",
                               s->argv[0]);
        if (n > 0 && fds[0].revents &&
            !take(out_fd, result->output, sizeof(result->output), &out_used))
            fds[0].fd = -1;
        if (n > 0 && fds[1].revents && !take(err_fd, result->text, sizeof(result->text), &err_used))
            fds[1].fd = -1;
        if (s->tick && s->tick(s->user) != 0)
            return error_set(err, LRUN_IO_FAILED, OPERATION, "stopped");
        if (clock_ms() >= deadline)
            return error_set(err, LRUN_IO_FAILED, OPERATION, "'%s' did not end within %lld s",
                             s->argv[0], (long long)(s->timeout_ms / 1000));
    }
    return 0;
}

static char *find_program(const struct spawn *s, lrun_error *err)
{
    char *program = process_find_program(s->program ? s->program : s->argv[0]);
    if (!program)
        error_set(err, LRUN_NOT_SUPPORTED, OPERATION, "the program '%s' is not installed",
                  s->argv[0]);
    return program;
}

int spawn_start(const struct spawn *s, struct process *out, lrun_error *err)
{
    cleanup_free char *program = find_program(s, err);
    if (!program)
        return -1;
    cleanup_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot open /dev/null");
    const int stdio[3] = {s->stdin_fd < 0 ? null : s->stdin_fd,
                          s->output_fd > 0 ? s->output_fd : null, STDERR_FILENO};
    return start(s, program, stdio, out, err);
}

/* Leaves the output as it is. */
static int run(const struct spawn *s, struct spawn_result *result, lrun_error *err)
{
    *result = (struct spawn_result){0};
    cleanup_free char *program = find_program(s, err);
    if (!program)
        return -1;
    int out_pipe[2], err_pipe[2];
    if (pipe2(out_pipe, O_CLOEXEC) < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot make a pipe");
    cleanup_close int out_read = out_pipe[0], out_write = out_pipe[1];
    if (pipe2(err_pipe, O_CLOEXEC) < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot make a pipe");
    cleanup_close int err_read = err_pipe[0], err_write = err_pipe[1];
    cleanup_close int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0)
        return error_errno(err, LRUN_IO_FAILED, OPERATION, errno, "cannot open /dev/null");

    const int stdio[3] = {s->stdin_fd < 0 ? null : s->stdin_fd,
                          s->output_fd > 0 ? s->output_fd : out_write, err_write};
    __attribute__((cleanup(process_destroy))) struct process child = {.pidfd = -1};
    int64_t deadline = clock_ms() + s->timeout_ms;
    if (start(s, program, stdio, &child, err) < 0)
        return -1;
    close(steal_fd(&out_write));
    close(steal_fd(&err_write));
    if (drain(s, out_read, err_read, deadline, result, err) < 0)
        return -1;
    struct process_status status;
    if (process_wait(&child, deadline, &status) < 0)
        return error_set(err, LRUN_IO_FAILED, OPERATION, "'%s' did not end in time", s->argv[0]);
    result->code = status.signal ? SPAWN_KILLED + status.signal : status.code;
    return 0;
}

int spawn_run(const struct spawn *s, struct spawn_result *result, lrun_error *err)
{
    if (run(s, result, err) < 0)
        return -1;
    make_printable(result->output);
    make_printable(result->text);
    return 0;
}

int spawn_program(const char *const *argv, int64_t timeout_ms, char *output, size_t size,
                  lrun_code code, lrun_error *err)
{
    const struct spawn spawn = {
        .argv = argv,
        .environment = (const char *const *)process_bare_environment,
        .stdin_fd = -1,
        .timeout_ms = timeout_ms,
        .capabilities = UINT64_MAX,
        .trusted = true,
    };
    struct spawn_result result;
    lrun_error failed = {0};
    if (run(&spawn, &result, &failed) < 0) {
        error_set(err, code, argv[0], "%s", failed.message);
        return failed.hint[0] ? error_hint(err, "%s", failed.hint) : -1;
    }
    if (output && size)
        snprintf(output, size, "%s", result.output);
    if (result.code == 0)
        return 0;
    result.text[strcspn(result.text, "\n")] = '\0';
    return error_set(err, code, argv[0], "'%s' failed with code %d%s%s", argv[0],
                     result.code > SPAWN_KILLED ? 128 + result.code - SPAWN_KILLED : result.code,
                     result.text[0] ? ": " : "", result.text);
}
