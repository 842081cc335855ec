/* SPDX-License-Identifier: MIT */
/*
 * The agent: PID 1 in the sandbox.
 *
 * It is started with two pipes, and by anything that can do that: an OCI runtime, a virtual machine's
 * console, a container engine. Frames (wire/frame.h) come in on stdin and go out on stdout.
 *
 *     supervisor                                agent
 *                              <- HELLO         the kernel that is seen, before anything else happens
 *     PREPARE                ->                 makes the working directory
 *     ENTRY DATA ENTRY_END.. ->                 files in
 *     ENTRIES_END            -> <- SEEDED
 *     START                  -> <- RUNNING      the command has been executed
 *     STDIN ...              -> <- STDIN_CREDIT
 *                              <- STDOUT, STDERR
 *                              <- EXIT          the command has ended, everything else was killed
 *     EXTRACT                -> <- EXTRACT_BEGIN ENTRY DATA ENTRY_END ... EXTRACT_END
 *
 * Input is sent within a credit: the agent queues at most FRAME_STDIN_WINDOW bytes for a command that
 * does not read, and control frames are never stuck behind it. Output has the pipe itself as its
 * limit: while more than that waits to be sent, the command's pipes are not read.
 *
 * The command runs as the same user or as one with less, so it must not get at the agent: the agent is
 * not dumpable (no ptrace, no /proc/1/fd or mem), its fds are CLOEXEC, signals from inside are
 * ignored by the kernel for PID 1. It has no child but the command, and adopts what that leaves.
 *
 * The end of stdin is the end of the sandbox. Whatever cannot be done is a FAILED, and the end as well.
 */
#include "agent.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>

enum state { STATE_NEW, STATE_PREPARED, STATE_RUNNING, STATE_EXITED };

/* The command's pipes are read while less than this waits to be sent. */
enum { OUTPUT_ENOUGH = 256 * 1024, READ_SIZE = 256 * 1024 };

struct agent {
    enum state state;
    struct channel channel;
    struct user user;
    struct seed seed;
    struct command command;
    int children; /* signalfd for SIGCHLD */
};

static void on_prepare(struct agent *a, const struct frame *f)
{
    const char *workdir = fields_get(f, "workdir"), *user = fields_get(f, "user");
    if (a->state != STATE_NEW || !workdir || workdir[0] != '/')
        channel_fail(&a->channel, "protocol", 0, "PREPARE");
    const char *wrong = user_resolve(&a->user, user ? user : "");
    if (wrong)
        channel_fail(&a->channel, "prepare", 0, "user '%.200s': %s", user ? user : "", wrong);
    seed_prepare(&a->seed, &a->channel, workdir, &a->user);
    a->state = STATE_PREPARED;
}

static void on_signal(struct agent *a, const struct frame *f)
{
    uint64_t number;
    if (!fields_get_u64(f, "signal", &number) || number < 1 || number > 64)
        channel_fail(&a->channel, "protocol", 0, "SIGNAL");
    if (a->state == STATE_RUNNING)
        kill(-a->command.pid, (int)number);
}

static void on_frame(struct agent *a, const struct frame *f)
{
    struct channel *c = &a->channel;
    bool raw = f->type == FRAME_STDIN || f->type == FRAME_DATA;
    if (!raw && !fields_valid(f))
        channel_fail(c, "protocol", 0, "fields");
    /* Which frames may come in which state. */
    enum state expected = STATE_PREPARED;
    switch (f->type) {
    case FRAME_PREPARE:
        on_prepare(a, f);
        return;
    case FRAME_SIGNAL:
        on_signal(a, f);
        return;
    case FRAME_STDIN:
    case FRAME_STDIN_EOF:
        /* What was on its way when the command ended is thrown away. */
        if (a->state == STATE_EXITED)
            return;
        expected = STATE_RUNNING;
        break;
    case FRAME_EXTRACT:
        expected = STATE_EXITED;
        break;
    default:
        break;
    }
    if (a->state != expected)
        channel_fail(c, "protocol", 0, "a frame of type %d out of order", f->type);
    switch (f->type) {
    case FRAME_ENTRY:
        seed_entry(&a->seed, c, f);
        break;
    case FRAME_DATA:
        seed_data(&a->seed, c, f);
        break;
    case FRAME_ENTRY_END:
        seed_entry_end(&a->seed, c);
        break;
    case FRAME_ENTRIES_END:
        channel_send(c, FRAME_SEEDED, NULL);
        break;
    case FRAME_START:
        command_start(&a->command, c, f, &a->user, a->seed.workdir);
        a->state = STATE_RUNNING;
        break;
    case FRAME_STDIN:
        command_input(&a->command, c, f);
        break;
    case FRAME_STDIN_EOF:
        a->command.input_eof = true;
        command_feed(&a->command, c);
        break;
    case FRAME_EXTRACT:
        extract_serve(c, f);
        break;
    default:
        channel_fail(c, "protocol", 0, "an unknown frame of type %d", f->type);
    }
}

static void read_frames(struct agent *a)
{
    struct channel *c = &a->channel;
    char *to = buffer_reserve(&c->incoming, READ_SIZE);
    ssize_t n = to ? read(c->in, to, READ_SIZE) : -1;
    if (n == 0)
        agent_end(0);
    if (n < 0) {
        if (to && (errno == EAGAIN || errno == EINTR))
            return;
        agent_end(1);
    }
    buffer_commit(&c->incoming, (size_t)n);
    struct frame f;
    enum frame_status status;
    while ((status = frame_peek(&c->incoming, FRAME_AGENT_MAX, &f)) == FRAME_OK) {
        on_frame(a, &f);
        frame_consume(&c->incoming, &f);
    }
    if (status == FRAME_BROKEN)
        channel_fail(c, "protocol", 0, "not a frame");
}

enum { AT_IN, AT_OUT, AT_CHILDREN, AT_STDIN, AT_STDOUT, AT_STDERR, AT_COUNT };

static void serve_command(struct agent *a, const struct pollfd *p)
{
    struct command *m = &a->command;
    if (p[AT_STDIN].revents)
        command_feed(m, &a->channel);
    if (p[AT_STDOUT].revents)
        command_read(&a->channel, &m->out, FRAME_STDOUT);
    if (p[AT_STDERR].revents)
        command_read(&a->channel, &m->err, FRAME_STDERR);
    if (p[AT_CHILDREN].revents) {
        struct signalfd_siginfo info;
        while (read(a->children, &info, sizeof(info)) > 0)
            continue;
        if (command_reap(m, &a->channel))
            a->state = STATE_EXITED;
    }
}

int main(void)
{
    struct agent a = {.seed = {.workdir = -1, .file = -1}, .command = {.in = -1, .out = -1, .err = -1}};
    sigset_t child;
    prctl(PR_SET_DUMPABLE, 0);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    channel_init(&a.channel);
    a.children = signalfd(-1, &child, SFD_NONBLOCK | SFD_CLOEXEC);
    if (a.children < 0)
        agent_end(1);
    hello_send(&a.channel);
    for (;;) {
        struct command *m = &a.command;
        bool running = a.state == STATE_RUNNING;
        bool read_more = running && buffer_length(&a.channel.outgoing) < OUTPUT_ENOUGH;
        struct pollfd p[AT_COUNT] = {
            [AT_IN] = {a.channel.in, POLLIN, 0},
            [AT_OUT] = {buffer_length(&a.channel.outgoing) ? a.channel.out : -1, POLLOUT, 0},
            [AT_CHILDREN] = {running ? a.children : -1, POLLIN, 0},
            [AT_STDIN] = {running && buffer_length(&m->input) ? m->in : -1, POLLOUT, 0},
            [AT_STDOUT] = {read_more ? m->out : -1, POLLIN, 0},
            [AT_STDERR] = {read_more ? m->err : -1, POLLIN, 0},
        };
        if (poll(p, AT_COUNT, -1) < 0)
            continue;
        if (p[AT_IN].revents)
            read_frames(&a);
        if (running && a.state == STATE_RUNNING)
            serve_command(&a, p);
        channel_flush(&a.channel);
    }
}
