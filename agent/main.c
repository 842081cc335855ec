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
 * outside, which an OCI runtime, the console of a VM or a daemon's attach can carry. Its frames are
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
 *      supervisor  FILTER          the seccomp program to apply; left out if the runtime did so
 *      supervisor  INSPECT
 *      agent       WALLS           the walls around it now
 *      supervisor  PREPARE         user and working directory
 *      supervisor  ENTRY, DATA..., ENTRY_END ... ENTRIES_END
 *                                  files to create in the working directory; left out if there are
 *                                  none. A folder is only an ENTRY, and so is a link
 *      agent       SEEDED          only after ENTRIES_END
 *      supervisor  START           need not wait for SEEDED
 *      agent       RUNNING         exec() has succeeded. Or it has failed, and START says that this
 *                                  is an end like any other: then the reason and EXIT follow
 *      both        STDIN, STDIN_EOF, SIGNAL  /  STDOUT, STDERR, STDIN_CREDIT
 *      agent       EXIT            no process of the command is alive, and all output has been sent
 *      supervisor  EXTRACT         any number
 *      agent       EXTRACT_BEGIN [ENTRY, DATA..., ENTRY_END ... EXTRACT_END]      for each
 *
 * FAILED may replace any of the agent's frames, and is its last. The end of the agent's stdin ends
 * everything, at any time: a supervisor that is gone leaves nothing running.
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
 * THE END
 *
 * The run ends when the direct child ends. The agent kills all processes that the child has left
 * running. So a daemon that holds the output pipe delays nothing, and no process can change files
 * while they are extracted. Then the agent reads the pipes to their ends, and sends EXIT. As PID 1
 * this is exact: every process of the sandbox is dead before EXIT. Elsewhere (in tests) the agent
 * reaches only the command's process group, and reads the pipes for at most DRAIN_TIMEOUT.
 *
 * One poll loop does all this. Only extraction blocks outside the loop, until the supervisor takes
 * what is sent; nothing else happens at that time.
 */
#include "channel.h"
#include "command.h"
#include "confine.h"
#include "extract.h"
#include "hello.h"
#include "names.h"
#include "probe.h"
#include "seed.h"
#include "walls.h"
#include "workdir.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"

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
 *                    frames accepted                       next
 * STATE_FRESH        CONFINE, FILTER, INSPECT, PREPARE     FRESH, PREPARED
 * STATE_PREPARED     ENTRY, ENTRIES_END, START             SEEDING, SEEDED, STARTING
 * STATE_SEEDING      ENTRY, DATA, ENTRY_END, ENTRIES_END   SEEDED
 * STATE_SEEDED       START                                 STARTING
 * STATE_STARTING     STDIN, STDIN_EOF, SIGNAL              RUNNING (or the end: FAILED)
 * STATE_RUNNING      the same                              KILLING, when the command has ended
 * STATE_KILLING      the same, ignored                     DRAINING, when there are no children
 * STATE_DRAINING     the same, ignored                     EXITED, when the pipes are at their ends
 * STATE_EXITED       EXTRACT; the same, ignored            -
 */
enum state {
    STATE_FRESH,
    STATE_PREPARED,
    STATE_SEEDING,
    STATE_SEEDED,
    STATE_STARTING,
    STATE_RUNNING,
    STATE_KILLING,
    STATE_DRAINING,
    STATE_EXITED,
};

enum {
    OUTPUT_PENDING = 256 * 1024,
    KILL_INTERVAL = 20,    /* ms; a process may have forked while the signals were sent */
    KILL_TIMEOUT = 10000,  /* ms; a process may be stuck in the kernel */
    DRAIN_TIMEOUT = 2000,  /* ms without a byte */
    FAILED_TIMEOUT = 5000, /* ms to get the FAILED frame out */
};

struct agent {
    enum state state;
    struct channel channel;
    int signals;
    struct user user;
    struct workdir workdir;
    struct seed seed;
    struct command command;
    bool confined;    /* it has capabilities to give up */
    int64_t deadline; /* of KILLING and DRAINING */
};

/* ---------------------------------------------------------------- ways to the end */

_Noreturn static void finish(struct agent *a, int status)
{
    command_kill_all(&a->command);
    _exit(status);
}

_Noreturn static void fail(struct agent *a, const struct failure *failure)
{
    struct channel *c = &a->channel;
    cleanup_buffer struct buffer fields;
    buffer_init(&fields, FRAME_AGENT_MAX);
    if (fields_add(&fields, "operation", failure->operation) &&
        fields_add(&fields, "message", failure->message) &&
        fields_add_u64(&fields, "errno", (uint64_t)failure->errnum) &&
        channel_send_fields(c, FRAME_FAILED, &fields) == 0 &&
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
    seed_init(&a->seed, a->workdir.fd, &a->user);
    a->state = STATE_PREPARED;
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
    if (a->state != STATE_PREPARED && a->state != STATE_SEEDING)
        fail_protocol(a, "a file where none is expected");
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
            require(a, channel_send(&a->channel, FRAME_SEEDED, NULL, 0) == 0);
            a->state = STATE_SEEDED;
        }
        break;
    }
    if (failed)
        fail(a, &failure);
}

static void on_start(struct agent *a, const struct frame *f)
{
    struct failure failure;
    if (a->state != STATE_PREPARED && a->state != STATE_SEEDED)
        fail_protocol(a, "START");
    if (command_start(&a->command, f, &a->user, a->workdir.fd, &failure) < 0)
        fail(a, &failure);
    a->state = STATE_STARTING;
}

static void on_control(struct agent *a, const struct frame *f)
{
    uint64_t number;
    if (a->state < STATE_STARTING)
        fail_protocol(a, "input before START");
    if (f->type == FRAME_SIGNAL &&
        (!fields_get_u64(f, "signal", &number) || number < 1 || number >= NSIG))
        fail_protocol(a, "SIGNAL");
    if (a->state > STATE_RUNNING)
        return; /* the frame was sent before the supervisor knew of the command's end */
    if (f->type == FRAME_SIGNAL)
        command_signal(&a->command, (int)number);
    else if (f->type == FRAME_STDIN_EOF)
        command_input_end(&a->command);
    else if (command_input(&a->command, f->payload, f->length) < 0)
        fail_protocol(a, "STDIN beyond the credit or after its end");
}

static void on_extract(struct agent *a, const struct frame *f)
{
    const char *path = fields_get(f, "path");
    uint64_t max;
    if (a->state != STATE_EXITED || !path || !fields_get_u64(f, "max", &max))
        fail_protocol(a, "EXTRACT");
    cleanup_free char *whole = text_path_join(a->workdir.path, path);
    if (!whole || extract_run(&a->channel, whole, max) < 0)
        finish(a, 2);
}

static void on_frame(struct agent *a, const struct frame *f)
{
    bool raw = f->type == FRAME_DATA || f->type == FRAME_STDIN || f->type == FRAME_FILTER;
    if (!raw && !fields_valid(f))
        fail_protocol(a, "fields");
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
        on_control(a, f);
        break;
    case FRAME_EXTRACT:
        on_extract(a, f);
        break;
    default:
        fail_protocol(a, "an unexpected frame");
    }
}

static void take_frames(struct agent *a)
{
    if (channel_fill(&a->channel) < 0)
        finish(a, 0);
    for (;;) {
        struct frame f;
        switch (frame_peek(&a->channel.in, FRAME_AGENT_MAX, &f)) {
        case FRAME_OK:
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

/* ---------------------------------------------------------------- the command's life */

static bool output_has_room(const struct agent *a)
{
    return buffer_length(&a->channel.out) < OUTPUT_PENDING;
}

/* Reads the available output as long as there is room for it. */
static void take_output(struct agent *a)
{
    struct command *c = &a->command;
    int more = 1;
    while (more > 0 && output_has_room(a)) {
        int out = command_read(&c->out, FRAME_STDOUT, &a->channel);
        int err = output_has_room(a) ? command_read(&c->err, FRAME_STDERR, &a->channel) : 0;
        require(a, out >= 0 && err >= 0);
        more = out + err;
        if (more > 0 && a->state == STATE_DRAINING)
            a->deadline = clock_ms() + DRAIN_TIMEOUT;
        /* One read per pipe while the command runs, so that input and signals get a turn. */
        if (a->state == STATE_RUNNING)
            return;
    }
}

static void check_start(struct agent *a)
{
    struct failure failure;
    int started = command_started(&a->command, a->workdir.fd, &failure);
    if (started < 0 && !a->command.exit_code)
        fail(a, &failure);
    if (started == 0)
        return;
    require(a, channel_send(&a->channel, FRAME_RUNNING, NULL, 0) == 0);
    a->state = STATE_RUNNING;
    if (started < 0)
        require(a, command_say(&failure, &a->channel) == 0);
    command_feed(&a->command);
}

static void give_credit(struct agent *a)
{
    struct command *c = &a->command;
    if (c->credit == 0 || a->state != STATE_RUNNING)
        return;
    cleanup_buffer struct buffer fields;
    buffer_init(&fields, FRAME_AGENT_MAX);
    require(a, fields_add_u64(&fields, "bytes", c->credit) &&
                   channel_send_fields(&a->channel, FRAME_STDIN_CREDIT, &fields) == 0);
    c->credit = 0;
}

/* After the command's end, moves to later states as far as possible without waiting. */
static void advance(struct agent *a)
{
    struct command *c = &a->command;
    if (a->state == STATE_RUNNING && c->reaped) {
        command_close_input(c);
        a->deadline = clock_ms() + KILL_TIMEOUT;
        a->state = STATE_KILLING;
    }
    if (a->state == STATE_KILLING) {
        command_kill_all(c);
        bool alive = command_reap(c);
        /* Unless the agent is PID 1, its only child is the command. */
        if (!alive || clock_ms() >= a->deadline) {
            a->deadline = clock_ms() + DRAIN_TIMEOUT;
            a->state = STATE_DRAINING;
        }
    }
    if (a->state == STATE_DRAINING) {
        take_output(a);
        if (!output_has_room(a)) {
            /* The agent waits for the supervisor, not for the pipes. */
            a->deadline = clock_ms() + DRAIN_TIMEOUT;
            return;
        }
        if ((c->out >= 0 || c->err >= 0) && clock_ms() < a->deadline)
            return;
        cleanup_close_fd(&c->out);
        cleanup_close_fd(&c->err);
        require(a, command_send_exit(c, &a->channel) == 0);
        a->state = STATE_EXITED;
    }
}

/* ---------------------------------------------------------------- the loop */

enum { ON_FROM, ON_TO, ON_SIGNALS, ON_STATUS, ON_IN, ON_OUT, ON_ERR, ON_COUNT };

static int wait_for_events(struct agent *a, struct pollfd p[ON_COUNT])
{
    const struct command *c = &a->command;
    bool runs = a->state == STATE_RUNNING;
    bool reads = (runs || a->state == STATE_DRAINING) && output_has_room(a);
    p[ON_FROM] = (struct pollfd){.fd = a->channel.from, .events = POLLIN};
    p[ON_TO] = (struct pollfd){.fd = buffer_length(&a->channel.out) > 0 ? a->channel.to : -1,
                               .events = POLLOUT};
    p[ON_SIGNALS] = (struct pollfd){.fd = a->signals, .events = POLLIN};
    p[ON_STATUS] =
        (struct pollfd){.fd = a->state == STATE_STARTING ? c->status : -1, .events = POLLIN};
    p[ON_IN] =
        (struct pollfd){.fd = runs && buffer_length(&c->input) > 0 ? c->in : -1, .events = POLLOUT};
    p[ON_OUT] = (struct pollfd){.fd = reads ? c->out : -1, .events = POLLIN};
    p[ON_ERR] = (struct pollfd){.fd = reads ? c->err : -1, .events = POLLIN};
    /* In the other states there is no timeout: the supervisor keeps the clock, and sends a frame or
     * closes the channel. */
    int timeout = -1;
    if (a->state == STATE_KILLING)
        timeout = KILL_INTERVAL;
    else if (a->state == STATE_DRAINING)
        timeout = io_poll_timeout(a->deadline);
    return poll(p, ON_COUNT, timeout);
}

static void take_signals(struct agent *a)
{
    struct signalfd_siginfo info[8];
    while (read(a->signals, info, sizeof(info)) > 0)
        continue;
    command_reap(&a->command);
}

_Noreturn static void loop(struct agent *a)
{
    for (;;) {
        if (channel_flush(&a->channel) < 0)
            finish(a, 0);
        struct pollfd p[ON_COUNT];
        if (wait_for_events(a, p) < 0) {
            if (errno == EINTR)
                continue;
            finish(a, 2);
        }
        if (p[ON_FROM].revents)
            take_frames(a);
        /* Before the signals: the command's start must be known before its end. */
        if (p[ON_STATUS].revents)
            check_start(a);
        if (p[ON_SIGNALS].revents)
            take_signals(a);
        if (p[ON_IN].revents)
            command_feed(&a->command);
        if (p[ON_OUT].revents || p[ON_ERR].revents)
            take_output(a);
        advance(a);
        give_credit(a);
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
    command_init(&a.command);
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
