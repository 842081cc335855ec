/* SPDX-License-Identifier: MIT */
#include "agent.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

extern char **environ;

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum { STRAGGLER_MS = 2000 };

/* The values of all fields of that name, NULL-terminated, borrowed from the frame. */
static char **collect(const struct frame *f, const char *wanted, size_t extra)
{
    const char *at = NULL, *key, *value;
    size_t key_length, count = 0;
    char **list = calloc(f->length / 2 + extra + 1, sizeof(*list));
    while (list && fields_next(f, &at, &key, &key_length, &value))
        if (strlen(wanted) == key_length && memcmp(wanted, key, key_length) == 0)
            list[count++] = (char *)(uintptr_t)value;
    return list;
}

static const char *value_of(char **env, const char *name)
{
    size_t length = strlen(name);
    for (; *env; env++)
        if (strncmp(*env, name, length) == 0 && (*env)[length] == '=')
            return *env + length + 1;
    return NULL;
}

static void add_default(char **env, char *assignment, const char *name)
{
    if (value_of(env, name))
        return;
    while (*env)
        env++;
    *env = assignment;
}

/* In the child. Returns only on failure, with errno set. */
static void become(const struct user *user)
{
    /* A process that was made undumpable owns nothing in its own /proc folder until it executes. */
    prctl(PR_SET_DUMPABLE, 1);
    /* The OOM killer is to take the command before the agent, which has a result to deliver. */
    io_write_control(AT_FDCWD, "/proc/self/oom_score_adj", "1000");
    setsid();
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int n = 1; n < NSIG; n++)
        signal(n, SIG_DFL);
    umask(022);
    if (user->uid || user->gid || user->group_count)
        if (setgroups(user->group_count, user->groups) < 0 ||
            setresgid(user->gid, user->gid, user->gid) < 0 ||
            setresuid(user->uid, user->uid, user->uid) < 0)
            return;
    errno = 0;
}

static _Noreturn void run_child(char **argv, char **env, const int stdio[3], int report, int workdir,
                                const struct user *user)
{
    /* Copies above all others first: stdio may be among 0, 1 and 2. */
    int high[3];
    for (int i = 0; i < 3; i++)
        high[i] = fcntl(stdio[i], F_DUPFD_CLOEXEC, 200);
    int saved = fcntl(report, F_DUPFD_CLOEXEC, 200);
    for (int i = 0; i < 3; i++)
        if (high[i] < 0 || dup2(high[i], i) < 0)
            _exit(127);
    become(user);
    if (errno == 0 && fchdir(workdir) == 0) {
        environ = env;
        /* All that is open here is CLOEXEC; this is for what is not, by mistake. */
        close_range(3, (unsigned)saved - 1, 0);
        close_range((unsigned)saved + 1, ~0u, 0);
        execvp(argv[0], argv);
    }
    int failed = errno;
    io_write_all(saved, &failed, sizeof(failed), IO_NO_DEADLINE);
    _exit(127);
}

void command_start(struct command *m, struct channel *c, const struct frame *f, const struct user *user,
                   int workdir)
{
    static char path[] = "PATH=" DEFAULT_PATH, home[300];
    char **argv = collect(f, "arg", 0), **env = collect(f, "env", 2);
    if (!argv || !env || !argv[0])
        channel_fail(c, "protocol", 0, "START");
    snprintf(home, sizeof(home), "HOME=%s", user->home);
    add_default(env, path, "PATH");
    add_default(env, home, "HOME");

    int in[2], out[2], error[2], report[2];
    if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 || pipe2(error, O_CLOEXEC) < 0 ||
        pipe2(report, O_CLOEXEC) < 0)
        channel_fail(c, "exec", errno, "cannot make pipes");
    m->pid = fork();
    if (m->pid < 0)
        channel_fail(c, "exec", errno, "cannot fork");
    if (m->pid == 0)
        run_child(argv, env, (const int[3]){in[0], out[1], error[1]}, report[1], workdir, user);
    close(in[0]);
    close(out[1]);
    close(error[1]);
    close(report[1]);
    int failed = 0;
    /* Either the end of the pipe, by the exec, or why there was none. */
    if (io_read_exact(report[0], &failed, sizeof(failed), IO_NO_DEADLINE) == 0)
        channel_fail(c, "exec", failed, "cannot execute '%.200s'", argv[0]);
    close(report[0]);
    free(argv);
    free(env);
    m->in = in[1];
    m->out = out[0];
    m->err = error[0];
    io_set_nonblock(m->in, true);
    io_set_nonblock(m->out, true);
    io_set_nonblock(m->err, true);
    buffer_init(&m->input, FRAME_STDIN_WINDOW);
    channel_send(c, FRAME_RUNNING, NULL);
}

static void send_credit(struct channel *c, uint64_t bytes)
{
    struct buffer fields;
    buffer_init(&fields, 64);
    fields_add_u64(&fields, "bytes", bytes);
    channel_send(c, FRAME_STDIN_CREDIT, &fields);
    buffer_free(&fields);
}

void command_input(struct command *m, struct channel *c, const struct frame *f)
{
    if (m->input_eof || !buffer_append(&m->input, f->payload, f->length))
        channel_fail(c, "protocol", 0, "STDIN over its credit");
    command_feed(m, c);
}

void command_feed(struct command *m, struct channel *c)
{
    size_t taken = 0;
    while (buffer_length(&m->input) > 0) {
        ssize_t n = m->in < 0 ? -1 : write(m->in, buffer_data(&m->input), buffer_length(&m->input));
        if (n < 0 && m->in >= 0 && (errno == EAGAIN || errno == EINTR))
            break;
        /* It does not want its input any more: what comes is thrown away, and paid for. */
        if (n <= 0) {
            cleanup_close_fd(&m->in);
            n = (ssize_t)buffer_length(&m->input);
        }
        buffer_consume(&m->input, (size_t)n);
        taken += (size_t)n;
    }
    if (taken)
        send_credit(c, taken);
    if (m->input_eof && buffer_length(&m->input) == 0)
        cleanup_close_fd(&m->in);
}

void command_read(struct channel *c, int *fd, enum frame_type type)
{
    char *to = buffer_reserve(&c->outgoing, FRAME_HEADER_SIZE + FRAME_DATA_MAX);
    if (!to) {
        channel_drain(c);
        return;
    }
    ssize_t n = read(*fd, to + FRAME_HEADER_SIZE, FRAME_DATA_MAX);
    if (n > 0) {
        frame_header(to, type, (uint32_t)n);
        buffer_commit(&c->outgoing, FRAME_HEADER_SIZE + (size_t)n);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        cleanup_close_fd(fd);
    }
}

/* Reads both pipes to their ends. All writers are dead, but where we are not the init of a PID
 * namespace: there a deadline stands for that. */
static void drain(struct command *m, struct channel *c)
{
    int64_t deadline = clock_ms() + STRAGGLER_MS;
    struct {
        int *fd;
        enum frame_type type;
    } pipes[] = {{&m->out, FRAME_STDOUT}, {&m->err, FRAME_STDERR}};
    for (int i = 0; i < 2; i++) {
        if (*pipes[i].fd < 0)
            continue;
        io_set_nonblock(*pipes[i].fd, getpid() != 1);
        while (*pipes[i].fd >= 0 && (getpid() == 1 || clock_ms() < deadline)) {
            command_read(c, pipes[i].fd, pipes[i].type);
            if (buffer_length(&c->outgoing) > FRAME_STDIN_WINDOW)
                channel_drain(c);
        }
        cleanup_close_fd(pipes[i].fd);
    }
}

static void send_exit(struct channel *c, int status)
{
    struct rusage u = {0};
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    struct buffer fields;
    buffer_init(&fields, 1024);
    getrusage(RUSAGE_CHILDREN, &u);
    fields_add_u64(&fields, "code", (uint64_t)(number ? 128 + number : WEXITSTATUS(status)));
    fields_add_u64(&fields, "signal", (uint64_t)number);
    fields_add_u64(&fields, "user_us", (uint64_t)u.ru_utime.tv_sec * 1000000 + (uint64_t)u.ru_utime.tv_usec);
    fields_add_u64(&fields, "system_us", (uint64_t)u.ru_stime.tv_sec * 1000000 + (uint64_t)u.ru_stime.tv_usec);
    fields_add_u64(&fields, "peak_rss_kb", (uint64_t)u.ru_maxrss);
    channel_send(c, FRAME_EXIT, &fields);
    buffer_free(&fields);
}

bool command_reap(struct command *m, struct channel *c)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != m->pid)
            continue;
        /* The run ends with its command: what it left in the background ends too. */
        int end = status;
        kill(getpid() == 1 ? -1 : -m->pid, SIGKILL);
        while (getpid() == 1 && waitpid(-1, &status, 0) > 0)
            continue;
        cleanup_close_fd(&m->in);
        buffer_clear(&m->input);
        drain(m, c);
        send_exit(c, end);
        return true;
    }
    return false;
}
