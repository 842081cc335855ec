/* SPDX-License-Identifier: MIT */
/*
 * The agent: PID 1 in the sandbox.
 *
 * WHO TALKS TO WHOM
 *
 *      supervisor (host)                agent (PID 1)                      command (any user)
 *            |   frames over stdin        |    pipe  -> its stdin             |
 *            |--------------------------->|---------------------------------->|
 *            |   frames over stdout       |    pipes <- its stdout, stderr    |
 *            |<---------------------------|<----------------------------------|
 *
 * The agent is light-runner's only process in the sandbox. It needs nothing but two streams to the
 * outside, which pipes, the console of a VM or a daemon's attach can carry. Its frames are
 * evidence at most: once the command has run, the supervisor treats them as hostile. The agent
 * obeys the supervisor, but a frame that is broken or out of order ends the agent: two sides that
 * disagree about the state of the protocol do not guess.
 *
 * The command and all processes that it starts are hostile to the agent, and have its uid if the
 * image says so. Therefore the agent is not dumpable (no ptrace, no access to its /proc/PID/fd), no
 * process inherits its end of the channel, and it shares no file or memory. As PID 1 it gets no
 * signal that it does not handle. Everything that it reads from the image (passwd, group, folders)
 * is bounded.
 *
 * THE ORDER OF THINGS
 *
 *      agent       HELLO           which kernel this is, before anything else runs
 *      supervisor  CONFINE         the limits; only if the sandbox has a kernel of its own
 *      supervisor  FILTER          the seccomp program to apply; left out if the launcher or the
 *                                  runtime did so
 *      supervisor  INSPECT
 *      agent       WALLS           the walls around it now
 *      supervisor  PREPARE         user and working directory
 *
 * Then, in any order and any number of times:
 *
 *      supervisor  ENTRY, DATA..., ENTRY_END ... ENTRIES_END
 *                                  files to create in the working directory. A folder is only an
 *                                  ENTRY, and so is a link
 *      agent       SEEDED          only after ENTRIES_END
 *
 *      supervisor  START           need not wait for SEEDED
 *      agent       RUNNING         exec() has succeeded. Or it has failed, and START says that this
 *                                  is an end like any other: then the reason and EXIT follow
 *      both        STDIN, STDIN_EOF, SIGNAL, KILL, RESIZE, HANGUP  /  STDOUT, STDERR, STDIN_CREDIT
 *      agent       EXIT            the command has ended, and all its output has been sent
 *
 *      supervisor  EXTRACT
 *      agent       EXTRACT_BEGIN [ENTRY, DATA..., ENTRY_END ... EXTRACT_END]
 *
 *      supervisor  LIST, STAT, READ, WRITE, REMOVE, PUT_TREE, EXTRACT, each with a number of its own,
 *                  and ABORT
 *      agent       DONE with that number, after what wire/frame.h says. Several of these operations
 *                  may be in flight, also while commands run
 *
 * The frames of a command have its number. Several commands may run at the same time if START says
 * so of each; a command that is alone has the sandbox to itself until its EXIT.
 *
 * FAILED about a command replaces its RUNNING: it could not be executed, and has ended. FAILED about
 * the sandbox may replace any of the agent's frames, and is its last. The end of the agent's stdin
 * ends everything, at any time: a supervisor that is gone leaves nothing running.
 *
 * FLOW CONTROL
 *
 * Into the command: the supervisor starts with a credit of FRAME_STDIN_WINDOW bytes, and the agent
 * has room for that many. The agent gives back as credit the bytes that the command's pipe has
 * taken, and the bytes that it has thrown away because the command closed its stdin. A command that
 * never reads its input stops the sender, but not the agent, which still obeys SIGNAL and EXTRACT.
 *
 * Out of the command: while OUTPUT_PENDING bytes wait to be sent, the agent does not read the
 * command's pipes. So the command eventually blocks in write(), and no queue grows with its output.
 *
 * THE END OF A COMMAND
 *
 * A command ends when the direct child ends.
 *
 * If it is alone, the agent then kills all processes that the child has left running. So a daemon
 * that holds the output pipe delays nothing, and no process can change files while they are
 * extracted. Then the agent reads the pipes to their ends, and sends EXIT. As PID 1 this is exact:
 * every process of the sandbox is dead before EXIT. Elsewhere (in tests) the agent reaches only the
 * command's process group, and reads the pipes for at most DRAIN_TIMEOUT.
 *
 * A terminal has no such end: something may hold it open, and write to it, for ever. The agent reads
 * it until nothing comes for TERMINAL_QUIET, or until DRAIN_TIMEOUT has passed.
 *
 * If it is one of several, what it has left running lives on. The agent reads what is in the pipes
 * at that time, and sends EXIT. Then it reads what the descendants write, so that no write of theirs
 * fails, and throws it away. KILL reaches all descendants of that command and nothing else, because
 * each command has a subreaper of its own (subreaper.h): EXIT then comes when all of them are dead.
 *
 * One poll loop does all this. An operation on files does its work in small steps between the other
 * events (operation.h), and only while the supervisor takes what is sent.
 */
#include "channel.h"
#include "commands.h"
#include "confine.h"
#include "hello.h"
#include "names.h"
#include "operations.h"
#include "probe.h"
#include "seed.h"
#include "walls.h"
#include "workdir.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <fcntl.h>
#include <linux/bpf_common.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>

/*
 *                    frames accepted                                             next
 * STATE_FRESH        CONFINE, FILTER, INSPECT, PREPARE                           FRESH, READY
 * STATE_READY        ENTRY, ENTRIES_END, EXTRACT (unless a command is alone),    READY, SEEDING
 *                    START, and STDIN, STDIN_EOF, SIGNAL, KILL of a command
 * STATE_SEEDING      ENTRY, DATA, ENTRY_END, ENTRIES_END,                        READY
 *                    and STDIN, STDIN_EOF, SIGNAL, KILL of a command
 * Operations with a number begin and go on in both of these states.
 *
 * Each command has a state of its own (command.h).
 */
enum state { STATE_FRESH, STATE_READY, STATE_SEEDING };

enum { FAILED_TIMEOUT = 5000 /* ms to get the FAILED frame out */ };

struct agent {
    enum state state;
    struct channel channel;
    int signals;
    struct user user;
    struct workdir workdir;
    struct seed seed;
    struct commands commands;
    struct operations operations;
    bool waits;    /* the next frame must wait for the end of an operation */
    bool confined; /* it has capabilities to give up */
};

/* ---------------------------------------------------------------- ways to the end */

_Noreturn static void finish(struct agent *a, int status)
{
    commands_kill_all(&a->commands);
    _exit(status);
}

_Noreturn static void fail(struct agent *a, const struct failure *failure)
{
    struct channel *c = &a->channel;
    if (commands_send_failed(c, FRAME_SANDBOX, failure) == 0 &&
        io_write_all(c->to, buffer_data(&c->out), buffer_length(&c->out),
                     clock_ms() + FAILED_TIMEOUT) == 0)
        finish(a, 1);
    finish(a, 2);
}

_Noreturn static void fail_protocol(struct agent *a, const char *what)
{
    struct failure failure;
    failure_set(&failure, "protocol", "%s", what);
    fail(a, &failure);
}

/* For calls that fail only if memory is out. */
static void require(struct agent *a, bool done)
{
    if (!done)
        finish(a, 2);
}

/* ---------------------------------------------------------------- frames of the supervisor */

static void give_up_capabilities(struct agent *a)
{
    struct failure failure;
    if (a->confined && confine_drop_capabilities(&failure) < 0)
        fail(a, &failure);
    a->confined = false;
}

static void on_prepare(struct agent *a, const struct frame *f)
{
    const char *workdir = fields_get(f, "workdir"), *user = fields_get(f, "user");
    struct failure failure;
    if (a->state != STATE_FRESH || !workdir)
        fail_protocol(a, "PREPARE");
    /* Unless the agent is PID 1, these would be the host's files. */
    if (getpid() == 1 && names_provide(f, &failure) < 0)
        fail(a, &failure);
    give_up_capabilities(a);
    if (user_resolve(&a->user, user ? user : "", &failure) < 0 ||
        workdir_open(&a->workdir, workdir, fields_get(f, "otherwise"), &a->user, &failure) < 0)
        fail(a, &failure);
    commands_init(&a->commands, &a->channel, &a->user, a->workdir.fd);
    operations_init(&a->operations, &a->channel, &a->user, &a->workdir);
    a->state = STATE_READY;
}

static void on_confine(struct agent *a, const struct frame *f)
{
    struct failure failure;
    struct confine_limits limits = {0};
    /* Unless the agent is PID 1, this would change mounts outside the sandbox. */
    if (a->state != STATE_FRESH || getpid() != 1 || !fields_get_u64(f, "pids", &limits.pids) ||
        limits.pids == 0)
        fail_protocol(a, "CONFINE");
    (void)fields_get_u64(f, "memory", &limits.memory);
    (void)fields_get_u64(f, "cpu_us", &limits.cpu_us);
    if (confine_self(&limits, &failure) < 0)
        fail(a, &failure);
    a->confined = true;
}

/* The filter applies to the agent and to all programs that are executed after this. */
static void on_filter(struct agent *a, const struct frame *f)
{
    struct failure failure;
    if (a->state != STATE_FRESH || f->length % sizeof(struct sock_filter) != 0 ||
        f->length / sizeof(struct sock_filter) > BPF_MAXINSNS)
        fail_protocol(a, "FILTER");
    /* A copy, because the payload is not aligned in the buffer. */
    static struct sock_filter program[BPF_MAXINSNS];
    memcpy(program, f->payload, f->length);
    struct sock_fprog description = {(unsigned short)(f->length / sizeof(program[0])), program};
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &description) < 0) {
        failure_errno(&failure, "filter", errno, "cannot apply the seccomp filter");
        fail(a, &failure);
    }
}

/* After this the walls do not change: the agent has no capability left to change them. */
static void on_inspect(struct agent *a)
{
    struct failure failure;
    if (a->state != STATE_FRESH)
        fail_protocol(a, "INSPECT");
    give_up_capabilities(a);
    if (walls_send(&a->channel, &failure) < 0)
        fail(a, &failure);
}

static void on_tree(struct agent *a, const struct frame *f)
{
    if (a->state == STATE_FRESH || commands_one_is_alone(&a->commands))
        fail_protocol(a, "a file where none is expected");
    if (a->state == STATE_READY)
        seed_init(&a->seed, a->workdir.fd, &a->user);
    a->state = STATE_SEEDING;
    struct failure failure;
    int failed = -1;
    switch (f->type) {
    case FRAME_ENTRY:
        failed = seed_entry(&a->seed, f, &failure);
        break;
    case FRAME_DATA:
        failed = seed_data(&a->seed, f, &failure);
        break;
    case FRAME_ENTRY_END:
        failed = seed_entry_end(&a->seed, f, &failure);
        break;
    default:
        failed = seed_end(&a->seed, &failure);
        if (!failed) {
            require(a, channel_send(&a->channel, FRAME_SEEDED, FRAME_SANDBOX, NULL, 0) == 0);
            a->state = STATE_READY;
        }
        break;
    }
    if (failed)
        fail(a, &failure);
}

static void on_start(struct agent *a, const struct frame *f)
{
    struct failure failure;
    if (a->state != STATE_READY)
        fail_protocol(a, "START");
    if (commands_start(&a->commands, f, &failure) < 0)
        fail(a, &failure);
}

static void on_control(struct agent *a, const struct frame *f)
{
    struct failure failure;
    if (commands_control(&a->commands, f, &failure) < 0)
        fail(a, &failure);
}

static void on_operation(struct agent *a, const struct frame *f)
{
    struct failure failure;
    bool of_run = f->command == FRAME_SANDBOX;
    if (a->state == STATE_FRESH ||
        (of_run && (a->state != STATE_READY || commands_one_is_alone(&a->commands))))
        fail_protocol(a, "an operation on files");
    if (operations_take(&a->operations, f, &failure) < 0)
        fail(a, &failure);
}

static void on_frame(struct agent *a, const struct frame *f)
{
    bool raw = f->type == FRAME_DATA || f->type == FRAME_STDIN || f->type == FRAME_FILTER;
    if (!raw && !fields_valid(f))
        fail_protocol(a, "fields");
    if (operations_are_meant(f)) {
        on_operation(a, f);
        return;
    }
    switch (f->type) {
    case FRAME_CONFINE:
        on_confine(a, f);
        break;
    case FRAME_FILTER:
        on_filter(a, f);
        break;
    case FRAME_INSPECT:
        on_inspect(a);
        break;
    case FRAME_PREPARE:
        on_prepare(a, f);
        break;
    case FRAME_ENTRY:
    case FRAME_DATA:
    case FRAME_ENTRY_END:
    case FRAME_ENTRIES_END:
        on_tree(a, f);
        break;
    case FRAME_START:
        on_start(a, f);
        break;
    case FRAME_STDIN:
    case FRAME_STDIN_EOF:
    case FRAME_SIGNAL:
    case FRAME_KILL:
    case FRAME_RESIZE:
    case FRAME_HANGUP:
        on_control(a, f);
        break;
    default:
        fail_protocol(a, "an unexpected frame");
    }
}

static void take_frames(struct agent *a)
{
    a->waits = false;
    for (;;) {
        struct frame f;
        switch (frame_peek(&a->channel.in, FRAME_AGENT_MAX, &f)) {
        case FRAME_OK:
            a->waits = operations_must_wait(&a->operations, &f);
            if (a->waits)
                return;
            on_frame(a, &f);
            frame_consume(&a->channel.in, &f);
            break;
        case FRAME_PARTIAL:
            return;
        case FRAME_BROKEN:
            fail_protocol(a, "not a frame");
        }
    }
}

/* ---------------------------------------------------------------- the loop */

enum {
    ON_FROM,
    ON_TO,
    ON_SIGNALS,
    ON_COMMANDS,
    ON_COUNT = ON_COMMANDS + COMMANDS_MAX * COMMAND_POLLS
};

static int wait_for_events(struct agent *a, struct pollfd p[ON_COUNT])
{
    p[ON_FROM] = (struct pollfd){.fd = a->waits ? -1 : a->channel.from, .events = POLLIN};
    p[ON_TO] = (struct pollfd){.fd = channel_is_pending(&a->channel) ? a->channel.to : -1,
                               .events = POLLOUT};
    p[ON_SIGNALS] = (struct pollfd){.fd = a->signals, .events = POLLIN};
    int timeout = commands_poll(&a->commands, p + ON_COMMANDS);
    if (operations_are_ready(&a->operations))
        timeout = 0;
    return poll(p, ON_COMMANDS + a->commands.count * COMMAND_POLLS, timeout);
}

static void take_signals(struct agent *a)
{
    struct signalfd_siginfo info[8];
    while (read(a->signals, info, sizeof(info)) > 0)
        continue;
}

_Noreturn static void loop(struct agent *a)
{
    static struct pollfd p[ON_COUNT];
    struct failure failure;
    for (bool files_first = false;; files_first = !files_first) {
        if (channel_flush(&a->channel) < 0)
            finish(a, 0);
        if (wait_for_events(a, p) < 0) {
            if (errno == EINTR)
                continue;
            finish(a, 2);
        }
        if (p[ON_FROM].revents && channel_fill(&a->channel) < 0)
            finish(a, 0);
        if (p[ON_FROM].revents)
            take_frames(a);
        bool signalled = p[ON_SIGNALS].revents != 0;
        if (signalled)
            take_signals(a);
        /* Who comes first takes the room that there is. */
        if ((files_first && operations_turn(&a->operations, &failure) < 0) ||
            commands_turn(&a->commands, p + ON_COMMANDS, signalled, &failure) < 0 ||
            (!files_first && operations_turn(&a->operations, &failure) < 0))
            fail(a, &failure);
        if (a->waits)
            take_frames(a);
    }
}

static int open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Closes fds that a runtime may have left open: no process here needs them. */
static void close_inherited(void)
{
    if (close_range(3, ~0U, 0) == 0)
        return;
    for (int fd = 3; fd < 1024; fd++)
        close(fd);
}

int main(int argc, char **argv)
{
    /* "log": in the tiers with a kernel of their own, the evidence includes the kernel's log.
     * "unlink": the agent's program is a file in the sandbox's root, which must not contain it. */
    bool with_log = false;
    if (argc == 1 && strcmp(argv[0], "/bin/probe") == 0)
        return probe_run();
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "log") == 0)
            with_log = true;
        else if (strcmp(argv[i], "unlink") != 0 || unlink(argv[0]) < 0)
            return 2;
    }
    static struct agent a = {.state = STATE_FRESH, .signals = -1, .workdir = {.fd = -1}};
    close_inherited();
    if (prctl(PR_SET_DUMPABLE, 0) < 0 || channel_open(&a.channel) < 0)
        return 2;
    /* gVisor's kernel splices by copying page by page, so that 1 GiB takes twice as long. */
    a.channel.copies = with_log;
    a.signals = open_signals();
    if (a.signals < 0 || hello_send(&a.channel, with_log) < 0)
        return 2;
    loop(&a);
}
