/* SPDX-License-Identifier: MIT */
#include "command.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "pipe.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

static const char operation[] = "exec";

void command_init(struct command *c)
{
    *c = (struct command){.status = -1, .in = -1, .out = -1, .err = -1};
    buffer_init(&c->input, FRAME_STDIN_WINDOW);
}

void command_free(struct command *c)
{
    cleanup_close_fd(&c->status);
    cleanup_close_fd(&c->in);
    cleanup_close_fd(&c->out);
    cleanup_close_fd(&c->err);
    buffer_free(&c->input);
}

/* Makes a pipe between the agent and the command. *ours is its reading end if `we_read`, else its
 * writing end. */
static int make_pipe(int *ours, int *theirs, bool we_read, const struct user *user)
{
    int ends[2];
    if (pipe_make(ends, user, we_read) < 0)
        return -1;
    *ours = ends[we_read ? 0 : 1];
    *theirs = ends[we_read ? 1 : 0];
    /* Room for a whole frame. This may fail, as the kernel limits the pipe memory of a user. */
    fcntl(*ours, F_SETPIPE_SZ, FRAME_DATA_MAX);
    /* This changes the agent's end only: each end of a pipe has flags of its own. */
    return io_set_nonblock(*ours, true);
}

/*
 * Until exec() the child shares the agent's memory, and no other process exists yet that could get
 * at it. fork() would make a copy only to throw it away at once, and that is expensive in gVisor.
 * This is a function of its own, because the child must not change what a caller keeps in
 * registers.
 */
__attribute__((noinline)) static pid_t spawn(const struct launch *l)
{
    pid_t pid = vfork();
    if (pid == 0)
        launch_exec(l);
    return pid;
}

static int start(struct command *c, struct launch *l, struct failure *failure)
{
    cleanup_close int in = -1, out = -1, err = -1, status = -1;
    int report[2];
    if (make_pipe(&c->in, &in, false, l->user) < 0 || make_pipe(&c->out, &out, true, l->user) < 0 ||
        make_pipe(&c->err, &err, true, l->user) < 0 || pipe2(report, O_CLOEXEC | O_NONBLOCK) < 0)
        return failure_errno(failure, operation, errno, "cannot make the command's pipes");
    c->status = report[0];
    status = report[1];
    l->stdio[0] = in;
    l->stdio[1] = out;
    l->stdio[2] = err;
    l->status = status;
    snprintf(c->program, sizeof(c->program), "%s", l->argv[0]);
    pid_t pid = spawn(l);
    if (pid < 0)
        return failure_errno(failure, operation, errno, "cannot start a process");
    c->pid = pid;
    return 0;
}

int command_start(struct command *c, const struct frame *f, const struct user *user, int workdir,
                  struct failure *failure)
{
    struct launch l;
    int failed = launch_prepare(&l, f, user);
    const char *report = fields_get(f, "report");
    c->reports_exit = report && strcmp(report, "exit") == 0;
    l.workdir = workdir;
    if (failed && errno == EINVAL)
        failure_set(failure, "protocol", "START without a command");
    else if (failed)
        failure_errno(failure, operation, errno, "cannot start the command");
    else
        failed = start(c, &l, failure);
    launch_free(&l);
    return failed;
}

/* Returns the exit code that a shell would use: 127 if the program does not exist, 126 if it exists
 * but cannot be executed. 0 means that the failure is the agent's. */
static int exit_code_of(int errnum)
{
    static const int not_there[] = {ENOENT, ENOTDIR, ENAMETOOLONG};
    static const int no_program[] = {EACCES, EPERM,   ENOEXEC, EISDIR,
                                     ELOOP,  ETXTBSY, EINVAL,  ELIBBAD};
    for (size_t i = 0; i < sizeof(not_there) / sizeof(not_there[0]); i++)
        if (errnum == not_there[i])
            return 127;
    for (size_t i = 0; i < sizeof(no_program) / sizeof(no_program[0]); i++)
        if (errnum == no_program[i])
            return 126;
    return 0;
}

/* The kernel returns the same errno if the program is missing and if its interpreter or loader is
 * missing. */
static void explain_missing(const struct command *c, int workdir, struct failure *failure)
{
    if (!strchr(c->program, '/'))
        failure_set(failure, operation, "cannot execute '%.200s': not found in PATH", c->program);
    else if (faccessat(workdir, c->program, F_OK, 0) == 0)
        failure_set(failure, operation,
                    "cannot execute '%.200s': its interpreter or loader does not exist",
                    c->program);
}

int command_started(struct command *c, int workdir, struct failure *failure)
{
    struct launch_report report;
    ssize_t n = read(c->status, &report, sizeof(report));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    cleanup_close_fd(&c->status);
    if (n != (ssize_t)sizeof(report))
        return 1;
    launch_failure(&report, c->program, failure);
    if (c->reports_exit && report.step == LAUNCH_EXEC) {
        c->exit_code = exit_code_of(report.errnum);
        if (report.errnum == ENOENT)
            explain_missing(c, workdir, failure);
    }
    return -1;
}

int command_say(const struct failure *failure, struct channel *channel)
{
    char line[sizeof(failure->message) + 32];
    snprintf(line, sizeof(line), "light-runner: %s", failure->message);
    text_make_printable(line);
    strcat(line, "\n");
    return channel_send(channel, FRAME_STDERR, line, strlen(line));
}

int command_input(struct command *c, const char *data, size_t length)
{
    size_t held = buffer_length(&c->input) + (size_t)c->credit;
    if (c->input_ended || held > FRAME_STDIN_WINDOW || length > FRAME_STDIN_WINDOW - held)
        return -1;
    if (c->in < 0) {
        c->credit += length;
        return 0;
    }
    return buffer_append(&c->input, data, length) ? 0 : -1;
}

void command_input_end(struct command *c)
{
    c->input_ended = true;
    command_feed(c);
}

void command_close_input(struct command *c)
{
    c->credit += buffer_length(&c->input);
    buffer_clear(&c->input);
    cleanup_close_fd(&c->in);
}

void command_feed(struct command *c)
{
    while (c->in >= 0 && buffer_length(&c->input) > 0) {
        ssize_t n = write(c->in, buffer_data(&c->input), buffer_length(&c->input));
        if (n > 0) {
            buffer_consume(&c->input, (size_t)n);
            c->credit += (uint64_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            return;
        } else if (n == 0 || errno != EINTR) {
            command_close_input(c);
        }
    }
    if (c->input_ended)
        cleanup_close_fd(&c->in);
}

int command_read(int *fd, enum frame_type type, struct channel *channel)
{
    if (*fd < 0)
        return 0;
    char *to = channel_reserve(channel, FRAME_DATA_MAX);
    if (!to)
        return -1;
    ssize_t n = read(*fd, to, FRAME_DATA_MAX);
    if (n > 0) {
        channel_commit(channel, type, (size_t)n);
        return 1;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR))
        cleanup_close_fd(fd);
    return 0;
}

void command_signal(const struct command *c, int signal)
{
    if (c->pid <= 0 || c->reaped)
        return;
    /* Right after the child's start its group may not exist yet. */
    if (kill(-c->pid, signal) < 0 && errno == ESRCH)
        kill(c->pid, signal);
}

void command_kill_all(const struct command *c)
{
    if (getpid() == 1) {
        kill(-1, SIGKILL);
        return;
    }
    if (c->pid <= 0)
        return;
    kill(-c->pid, SIGKILL);
    if (!c->reaped)
        kill(c->pid, SIGKILL);
}

bool command_reap(struct command *c)
{
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid == 0)
            return true;
        if (pid < 0 && errno != EINTR)
            return false;
        if (pid > 0 && pid == c->pid) {
            c->reaped = true;
            c->wait_status = status;
        }
    }
}

static uint64_t microseconds(struct timeval t)
{
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_usec;
}

int command_send_exit(const struct command *c, struct channel *channel)
{
    int signal = WIFSIGNALED(c->wait_status) ? WTERMSIG(c->wait_status) : 0;
    int code = signal ? 128 + signal : WEXITSTATUS(c->wait_status);
    if (c->exit_code)
        code = c->exit_code;
    struct rusage usage = {0};
    getrusage(RUSAGE_CHILDREN, &usage);
    cleanup_buffer struct buffer fields;
    buffer_init(&fields, FRAME_AGENT_MAX);
    if (!fields_add_u64(&fields, "code", (uint64_t)code) ||
        !fields_add_u64(&fields, "signal", (uint64_t)signal) ||
        !fields_add_u64(&fields, "user_us", microseconds(usage.ru_utime)) ||
        !fields_add_u64(&fields, "system_us", microseconds(usage.ru_stime)) ||
        !fields_add_u64(&fields, "peak_rss_kb", (uint64_t)usage.ru_maxrss))
        return -1;
    return channel_send_fields(channel, FRAME_EXIT, &fields);
}
