/* SPDX-License-Identifier: MIT */
#include "command.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "pipe.h"
#include "terminal.h"
#include "tree.h"
#include "workdir.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

static const char operation[] = "exec";

/* More than the kernel keeps for a terminal. */
enum { TERMINAL_LEFT_MAX = 256 * 1024 };

struct command *command_new(uint16_t number, bool alone)
{
    struct command *c = malloc(sizeof(*c));
    if (!c)
        return NULL;
    *c = (struct command){.number = number,
                          .alone = alone,
                          .reports = -1,
                          .status = -1,
                          .workdir = -1,
                          .in = -1,
                          .out = -1,
                          .err = -1};
    buffer_init(&c->input, FRAME_STDIN_WINDOW);
    return c;
}

void command_free(struct command *c)
{
    cleanup_close_fd(&c->reports);
    cleanup_close_fd(&c->status);
    cleanup_close_fd(&c->workdir);
    cleanup_close_fd(&c->in);
    cleanup_close_fd(&c->out);
    cleanup_close_fd(&c->err);
    buffer_free(&c->input);
    free(c);
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
 * Until exec() the child shares the agent's memory. The command is alone, so no other process exists
 * that could get at it. fork() would make a copy only to throw it away at once, and that is expensive in gVisor.
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

static int make_pipes(struct command *c, int theirs[3], const struct user *user,
                      struct failure *failure)
{
    return make_pipe(&c->in, &theirs[0], false, user) < 0 ||
                   make_pipe(&c->out, &theirs[1], true, user) < 0 ||
                   make_pipe(&c->err, &theirs[2], true, user) < 0
               ? failure_errno(failure, operation, errno, "cannot make the command's pipes")
               : 0;
}

static int make_terminal(struct command *c, int theirs[3], const struct user *user,
                         struct failure *failure)
{
    if (terminal_open(&c->out, &theirs[0], user, failure) < 0)
        return -1;
    c->in = fcntl(c->out, F_DUPFD_CLOEXEC, 3);
    theirs[1] = fcntl(theirs[0], F_DUPFD_CLOEXEC, 3);
    theirs[2] = fcntl(theirs[0], F_DUPFD_CLOEXEC, 3);
    return c->in < 0 || theirs[1] < 0 || theirs[2] < 0
               ? failure_errno(failure, operation, errno, "cannot open a terminal")
               : 0;
}

static int start(struct command *c, struct launch *l, struct failure *failure)
{
    cleanup_close int status = -1;
    int report[2];
    if (pipe2(report, O_CLOEXEC | O_NONBLOCK) < 0)
        return failure_errno(failure, operation, errno, "cannot make the command's pipes");
    c->status = report[0];
    status = report[1];
    l->status = status;
    snprintf(c->program, sizeof(c->program), "%s", l->argv[0]);
    pid_t *pid = c->alone ? &c->pid : &c->subreaper;
    *pid = c->alone ? spawn(l) : subreaper_start(l, &c->reports);
    if (*pid > 0)
        return 0;
    *pid = 0;
    return failure_errno(failure, operation, errno, "cannot start a process");
}

static int start_with_streams(struct command *c, const struct frame *f, struct launch *l,
                              struct failure *failure)
{
    cleanup_close int in = -1, out = -1, err = -1;
    int theirs[] = {-1, -1, -1};
    uint64_t rows = 0, columns = 0;
    c->tty = l->tty;
    int failed = (l->tty ? make_terminal : make_pipes)(c, theirs, l->user, failure);
    in = theirs[0];
    out = theirs[1];
    err = theirs[2];
    if (failed)
        return -1;
    memcpy(l->stdio, theirs, sizeof(theirs));
    if (l->tty && fields_get_u64(f, "rows", &rows) && fields_get_u64(f, "cols", &columns))
        command_resize(c, (unsigned)rows, (unsigned)columns);
    return start(c, l, failure);
}

/* With the agent's ids, because the user may lack permission to enter the folder. */
static int open_workdir(struct launch *l, const char *path, int workdir, struct failure *failure)
{
    if (path && path[0] == '/') {
        l->workdir = workdir_enter(path, l->user, failure);
        return l->workdir < 0 ? -1 : 0;
    }
    l->workdir = path ? openat(workdir, path, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC)
                      : fcntl(workdir, F_DUPFD_CLOEXEC, 3);
    return l->workdir < 0
               ? failure_errno(failure, operation, errno,
                               "cannot enter the working directory '%.300s'", path ? path : ".")
               : 0;
}

int command_start(struct command *c, const struct frame *f, const struct user *user, int workdir,
                  struct failure *failure)
{
    struct launch l;
    struct user own;
    const char *report = fields_get(f, "report"), *name = fields_get(f, "user");
    c->reports_exit = report && strcmp(report, "exit") == 0;
    if (name && user_resolve(&own, name, failure) < 0)
        return -1;
    int failed = launch_prepare(&l, f, name ? &own : user);
    if (failed && errno == EINVAL)
        failure_set(failure, "protocol", "START without a command");
    else if (failed)
        failure_errno(failure, operation, errno, "cannot start the command");
    else
        failed = open_workdir(&l, fields_get(f, "workdir"), workdir, failure) < 0 ||
                         start_with_streams(c, f, &l, failure) < 0
                     ? -1
                     : 0;
    cleanup_close_fd(&c->workdir);
    c->workdir = steal_fd(&l.workdir);
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
static void explain_missing(const struct command *c, struct failure *failure)
{
    if (!strchr(c->program, '/'))
        failure_set(failure, operation, "cannot execute '%.200s': not found in PATH", c->program);
    else if (faccessat(c->workdir, c->program, F_OK, 0) == 0)
        failure_set(failure, operation,
                    "cannot execute '%.200s': its interpreter or loader does not exist",
                    c->program);
}

int command_started(struct command *c, struct failure *failure)
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
            explain_missing(c, failure);
    }
    return -1;
}

int command_say(const struct command *c, const struct failure *failure, struct channel *channel)
{
    char line[sizeof(failure->message) + 32];
    snprintf(line, sizeof(line), "light-runner: %s", failure->message);
    text_make_printable(line);
    strcat(line, "\n");
    return channel_send(channel, FRAME_STDERR, c->number, line, strlen(line));
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
            c->last_key = buffer_data(&c->input)[n - 1];
            buffer_consume(&c->input, (size_t)n);
            c->credit += (uint64_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            return;
        } else if (n == 0 || errno != EINTR) {
            command_close_input(c);
        }
    }
    if (!c->input_ended || c->in < 0)
        return;
    char keys[2];
    unsigned count = c->tty ? terminal_end_keys(c->in, c->last_key != '\n', keys) : 0;
    if (count > 0 && write(c->in, keys, count) < 0 && errno == EAGAIN)
        return; /* the next turn tries again */
    cleanup_close_fd(&c->in);
}

ssize_t command_read(const struct command *c, int *fd, enum frame_type type, size_t max,
                     struct channel *channel)
{
    if (*fd < 0 || max == 0)
        return 0;
    size_t want = max < FRAME_DATA_MAX ? max : FRAME_DATA_MAX;
    char *to = channel_reserve(channel, want);
    if (!to)
        return -1;
    ssize_t n = read(*fd, to, want);
    if (n > 0) {
        channel_commit(channel, type, c->number, (size_t)n);
        return n;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR))
        cleanup_close_fd(fd);
    return 0;
}

static size_t bytes_in(int fd)
{
    int n;
    return fd >= 0 && ioctl(fd, FIONREAD, &n) == 0 && n > 0 ? (size_t)n : 0;
}

void command_measure_output(struct command *c)
{
    /* What a program writes to a terminal is not at once where it can be counted. */
    c->left_out = c->tty ? TERMINAL_LEFT_MAX : bytes_in(c->out);
    c->left_err = bytes_in(c->err);
}

void command_discard(int *fd)
{
    static char nowhere[FRAME_DATA_MAX];
    ssize_t n = read(*fd, nowhere, sizeof(nowhere));
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        cleanup_close_fd(fd);
}

void command_signal(const struct command *c, int signal, bool all)
{
    if (all && c->subreaper > 0) {
        tree_signal(c->subreaper, signal);
        return;
    }
    if (all && c->alone && getpid() == 1) {
        kill(-1, signal);
        return;
    }
    if (c->pid <= 0 || c->reaped)
        return;
    /* Right after the child's start its group may not exist yet. */
    if (kill(-c->pid, signal) < 0 && errno == ESRCH)
        kill(c->pid, signal);
}

void command_resize(const struct command *c, unsigned rows, unsigned columns)
{
    if (c->tty && c->out >= 0)
        terminal_resize(c->out, rows, columns);
}

void command_hang_up(struct command *c)
{
    if (!c->tty)
        return;
    command_close_input(c);
    cleanup_close_fd(&c->out);
}

void command_kill(const struct command *c)
{
    if (c->alone && getpid() == 1) {
        kill(-1, SIGKILL);
    } else if (c->subreaper > 0) {
        /* A stopped subreaper could not collect the dead. */
        kill(c->subreaper, SIGCONT);
        (void)tree_kill(c->subreaper, NULL, 0);
    } else if (c->alone && c->pid > 0) {
        kill(-c->pid, SIGKILL);
        if (!c->reaped)
            kill(c->pid, SIGKILL);
    }
}

static void set_end(struct command *c, int wait_status, const struct rusage *usage)
{
    if (c->reaped)
        return;
    c->reaped = true;
    c->wait_status = wait_status;
    if (usage)
        c->usage = *usage;
}

/* The reports of a subreaper are as good as the subreaper's memory. A pid that is not one would be a
 * signal to more than the command. */
void command_take_reports(struct command *c)
{
    struct subreaper_report r;
    while (c->reports >= 0) {
        ssize_t n = read(c->reports, &r, sizeof(r));
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n != (ssize_t)sizeof(r)) {
            cleanup_close_fd(&c->reports);
            return;
        }
        if (c->pid == 0 && r.pid > 1)
            c->pid = r.pid;
        if (r.ended)
            set_end(c, r.wait_status, &r.usage);
    }
}

bool command_reaped(struct command *c, pid_t pid, int wait_status, const struct rusage *usage)
{
    if (c->alone) {
        if (pid == c->pid)
            set_end(c, wait_status, usage);
        return pid == c->pid;
    }
    if (pid != c->subreaper)
        return false;
    command_take_reports(c);
    c->subreaper = 0;
    /* It was killed before it could report the end. Then all its descendants must die. */
    set_end(c, SIGKILL, NULL);
    return true;
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
    cleanup_buffer struct buffer fields;
    buffer_init(&fields, FRAME_AGENT_MAX);
    if (!fields_add_u64(&fields, "code", (uint64_t)code) ||
        !fields_add_u64(&fields, "signal", (uint64_t)signal) ||
        !fields_add_u64(&fields, "user_us", microseconds(c->usage.ru_utime)) ||
        !fields_add_u64(&fields, "system_us", microseconds(c->usage.ru_stime)) ||
        !fields_add_u64(&fields, "peak_rss_kb", (uint64_t)c->usage.ru_maxrss))
        return -1;
    return channel_send_fields(channel, FRAME_EXIT, c->number, &fields);
}
