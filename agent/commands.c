/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "tree.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

static const char operation[] = "exec";

enum {
    OUTPUT_PENDING = 256 * 1024,
    KILL_INTERVAL = 20,   /* ms; a process may have forked while the signals were sent */
    KILL_TIMEOUT = 10000, /* ms; a process may be stuck in the kernel */
    DRAIN_TIMEOUT = 2000, /* ms without a byte */
    TERMINAL_QUIET = 100, /* the same; others may hold a terminal open */
};

void commands_init(struct commands *cs, struct channel *channel, const struct user *user,
                   int workdir)
{
    *cs = (struct commands){.channel = channel, .user = user, .workdir = workdir};
}

bool commands_one_is_alone(const struct commands *cs)
{
    return cs->count == 1 && cs->all[0]->alone;
}

static int no_memory(struct failure *failure)
{
    return failure_errno(failure, operation, ENOMEM, "cannot go on");
}

static struct command *find(const struct commands *cs, uint16_t number)
{
    for (size_t i = 0; i < cs->count; i++)
        if (cs->all[i]->number == number)
            return cs->all[i];
    return NULL;
}

static void drop(struct commands *cs, size_t i)
{
    command_free(cs->all[i]);
    memmove(&cs->all[i], &cs->all[i + 1], (cs->count - i - 1) * sizeof(cs->all[0]));
    cs->count--;
}

int commands_send_failed(struct channel *channel, uint16_t number, const struct failure *failure)
{
    cleanup_buffer struct buffer fields;
    buffer_init(&fields, FRAME_AGENT_MAX);
    return fields_add(&fields, "operation", failure->operation) &&
                   fields_add(&fields, "message", failure->message) &&
                   fields_add_u64(&fields, "errno", (uint64_t)failure->errnum)
               ? channel_send_fields(channel, FRAME_FAILED, number, &fields)
               : -1;
}

/* ---------------------------------------------------------------- frames */

/* The failure of one of several commands is its own; otherwise it is the sandbox's. */
static int refuse(struct commands *cs, const struct command *c, struct failure *failure)
{
    if (c->alone)
        return -1;
    return commands_send_failed(cs->channel, c->number, failure) < 0 ? no_memory(failure) : 0;
}

int commands_start(struct commands *cs, const struct frame *f, struct failure *failure)
{
    const char *among = fields_get(f, "among");
    bool alone = !among || strcmp(among, "others") != 0;
    if (f->command <= cs->last || commands_one_is_alone(cs) || (alone && cs->count > 0))
        return failure_set(failure, "protocol", "START");
    cs->last = f->command;
    struct command *c = command_new(f->command, alone);
    if (!c)
        return no_memory(failure);
    bool full = cs->count == COMMANDS_MAX;
    if (full)
        failure_set(failure, operation,
                    "%d commands are running or have left something running: that is the limit",
                    COMMANDS_MAX);
    if (!full && command_start(c, f, cs->user, cs->workdir, failure) == 0) {
        cs->all[cs->count++] = c;
        return 0;
    }
    int failed = refuse(cs, c, failure);
    command_free(c);
    return failed;
}

static int resize(const struct command *c, const struct frame *f, struct failure *failure)
{
    uint64_t rows, columns;
    if (!fields_get_u64(f, "rows", &rows) || !fields_get_u64(f, "cols", &columns))
        return failure_set(failure, "protocol", "RESIZE");
    command_resize(c, (unsigned)rows, (unsigned)columns);
    return 0;
}

static int act(struct command *c, const struct frame *f, int signal, struct failure *failure)
{
    switch (f->type) {
    case FRAME_KILL:
        c->killed = true;
        command_kill(c);
        return 0;
    case FRAME_SIGNAL:
        command_signal(c, signal, fields_get(f, "all") != NULL);
        return 0;
    case FRAME_RESIZE:
        return resize(c, f, failure);
    case FRAME_HANGUP:
        command_hang_up(c);
        return 0;
    case FRAME_STDIN_EOF:
        command_input_end(c);
        return 0;
    default:
        return command_input(c, f->payload, f->length) < 0
                   ? failure_set(failure, "protocol", "STDIN beyond the credit or after its end")
                   : 0;
    }
}

int commands_control(struct commands *cs, const struct frame *f, struct failure *failure)
{
    uint64_t signal = 0;
    if (f->command > cs->last)
        return failure_set(failure, "protocol", "a command that does not exist");
    if (f->type == FRAME_SIGNAL &&
        (!fields_get_u64(f, "signal", &signal) || signal < 1 || signal >= NSIG))
        return failure_set(failure, "protocol", "SIGNAL");
    struct command *c = find(cs, f->command);
    /* The frame may have been sent before the supervisor knew of the command's end. */
    if (!c || (c->state > COMMAND_RUNNING && f->type != FRAME_KILL))
        return 0;
    return act(c, f, (int)signal, failure);
}

/* ---------------------------------------------------------------- a command's life */

static bool output_has_room(const struct commands *cs)
{
    return buffer_length(&cs->channel->out) < OUTPUT_PENDING;
}

/* Whether something may go on writing into the pipes: then only what was in them at the end is the
 * command's output. */
static bool is_bounded(const struct command *c)
{
    return c->state == COMMAND_DRAINING && c->subreaper > 0;
}

static bool is_measured(const struct command *c)
{
    return is_bounded(c) || (c->state == COMMAND_DRAINING && c->tty);
}

/* Moves the deadline, because bytes have come. What others write to a terminal may never stop. */
static void keep_draining(struct command *c)
{
    int64_t now = clock_ms(), quiet = now + (c->tty ? TERMINAL_QUIET : DRAIN_TIMEOUT);
    c->deadline = c->tty && quiet > c->drain_end ? c->drain_end : quiet;
}

/* Starts the clock, also after the agent has waited for the supervisor and not for the command. */
static void start_draining(struct command *c)
{
    c->drain_end = clock_ms() + DRAIN_TIMEOUT;
    keep_draining(c);
}

/* Reads the available output as long as there is room for it. */
static int take_output(struct commands *cs, struct command *c)
{
    bool more = true;
    while (more && output_has_room(cs)) {
        bool bounded = is_measured(c);
        ssize_t out =
            command_read(c, &c->out, FRAME_STDOUT, bounded ? c->left_out : SIZE_MAX, cs->channel);
        ssize_t err = !output_has_room(cs)
                          ? 0
                          : command_read(c, &c->err, FRAME_STDERR, bounded ? c->left_err : SIZE_MAX,
                                         cs->channel);
        if (out < 0 || err < 0)
            return -1;
        more = out + err > 0;
        if (bounded) {
            c->left_out -= (size_t)out;
            c->left_err -= (size_t)err;
        }
        if (more && c->state == COMMAND_DRAINING)
            keep_draining(c);
        /* One read per pipe while the command runs, so that input, signals and other commands get a
         * turn. */
        if (c->state == COMMAND_RUNNING)
            return 0;
    }
    return 0;
}

/* Returns -1 if the sandbox cannot go on. */
static int check_start(struct commands *cs, struct command *c, struct failure *failure)
{
    int started = command_started(c, failure);
    if (started == 0)
        return 0;
    command_take_reports(c);
    if (started < 0 && !c->exit_code) {
        c->state = COMMAND_ENDED;
        return refuse(cs, c, failure);
    }
    c->state = COMMAND_RUNNING;
    if (channel_send(cs->channel, FRAME_RUNNING, c->number, NULL, 0) < 0 ||
        (started < 0 && command_say(c, failure, cs->channel) < 0))
        return no_memory(failure);
    command_feed(c);
    return 0;
}

static int give_credit(struct commands *cs, struct command *c)
{
    if (c->credit == 0 || c->state != COMMAND_RUNNING)
        return 0;
    cleanup_buffer struct buffer fields;
    buffer_init(&fields, FRAME_AGENT_MAX);
    if (!fields_add_u64(&fields, "bytes", c->credit) ||
        channel_send_fields(cs->channel, FRAME_STDIN_CREDIT, c->number, &fields) < 0)
        return -1;
    c->credit = 0;
    return 0;
}

static void begin_draining(struct command *c)
{
    command_measure_output(c);
    start_draining(c);
    c->state = COMMAND_DRAINING;
}

/* Returns whether everything is dead that is to die with the command. */
static bool kill_more(const struct commands *cs, const struct command *c, bool children)
{
    command_kill(c);
    return c->alone ? !children : c->subreaper == 0 && !cs->orphans;
}

/* After the command's end, moves to later states as far as possible without waiting. `children`:
 * the agent has some left. Returns -1 if the sandbox cannot go on. */
static int advance(struct commands *cs, struct command *c, bool children, struct failure *failure)
{
    if (c->killed && c->state <= COMMAND_RUNNING && !c->reaped)
        command_kill(c);
    if (c->state == COMMAND_RUNNING && c->reaped) {
        command_close_input(c);
        c->deadline = clock_ms() + KILL_TIMEOUT;
        c->state = COMMAND_KILLING;
        /* What is left of one of several lives on, unless the command or its subreaper was killed. */
        if (!c->alone && !c->killed && c->subreaper > 0)
            begin_draining(c);
    }
    if (c->state == COMMAND_DRAINING && c->killed && is_bounded(c)) {
        c->deadline = clock_ms() + KILL_TIMEOUT;
        c->state = COMMAND_KILLING;
    }
    if (c->state == COMMAND_KILLING) {
        bool late = clock_ms() >= c->deadline;
        if (kill_more(cs, c, children) || (late && c->alone))
            begin_draining(c);
        else if (late)
            return failure_set(failure, "kill", "a process of the command cannot be killed");
    }
    if (c->state == COMMAND_DRAINING) {
        if (take_output(cs, c) < 0)
            return no_memory(failure);
        if (!output_has_room(cs)) {
            /* The agent waits for the supervisor, not for the pipes. */
            start_draining(c);
            return 0;
        }
        bool more = c->out >= 0 || c->err >= 0;
        if (is_measured(c))
            more = (c->left_out > 0 && (!c->tty || more)) || c->left_err > 0;
        if (more && clock_ms() < c->deadline)
            return 0;
        if (command_send_exit(c, cs->channel) < 0)
            return no_memory(failure);
        c->state = COMMAND_ENDED;
    }
    if (c->state == COMMAND_ENDED && c->killed)
        command_kill(c);
    return 0;
}

/* Kills what was below a subreaper that was killed: all children of the agent that are no
 * subreapers, and their descendants. */
static void kill_orphans(struct commands *cs)
{
    if (!cs->orphans)
        return;
    pid_t subreapers[COMMANDS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < cs->count; i++)
        if (cs->all[i]->subreaper > 0)
            subreapers[count++] = cs->all[i]->subreaper;
    cs->orphans = tree_kill(getpid(), subreapers, count);
}

/* Reaps every child that has ended. Returns whether there are children left. */
static bool reap(struct commands *cs)
{
    for (;;) {
        int status;
        struct rusage usage;
        pid_t pid = wait4(-1, &status, WNOHANG, &usage);
        if (pid == 0)
            return true;
        if (pid < 0 && errno != EINTR)
            return false;
        for (size_t i = 0; pid > 0 && i < cs->count; i++) {
            struct command *c = cs->all[i];
            if (!command_reaped(c, pid, status, &usage))
                continue;
            /* A subreaper ends by itself only when nothing is left to keep. */
            if (!c->alone && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
                cs->orphans = true;
            break;
        }
    }
}

/* ---------------------------------------------------------------- the loop's part */

enum { ON_STATUS, ON_REPORTS, ON_IN, ON_OUT, ON_ERR };
_Static_assert(ON_ERR + 1 == COMMAND_POLLS, "one fd each");

static void set_polls(const struct commands *cs, const struct command *c, struct pollfd *p)
{
    bool runs = c->state == COMMAND_RUNNING, ended = c->state == COMMAND_ENDED;
    bool reads = ended || ((runs || c->state == COMMAND_DRAINING) && output_has_room(cs));
    p[ON_STATUS] =
        (struct pollfd){.fd = c->state == COMMAND_STARTING ? c->status : -1, .events = POLLIN};
    p[ON_REPORTS] = (struct pollfd){.fd = c->reports, .events = POLLIN};
    p[ON_IN] =
        (struct pollfd){.fd = runs && (buffer_length(&c->input) > 0 || c->input_ended) ? c->in : -1,
                        .events = POLLOUT};
    p[ON_OUT] = (struct pollfd){.fd = reads ? c->out : -1, .events = POLLIN};
    p[ON_ERR] = (struct pollfd){.fd = reads ? c->err : -1, .events = POLLIN};
}

int commands_poll(struct commands *cs, struct pollfd *p)
{
    cs->polled = cs->count;
    /* In the other states there is no timeout: the supervisor keeps the clock, and sends a frame or
     * closes the channel. */
    int timeout = cs->orphans ? KILL_INTERVAL : -1;
    for (size_t i = 0; i < cs->count; i++) {
        const struct command *c = cs->all[i];
        set_polls(cs, c, p + i * COMMAND_POLLS);
        int wish = -1;
        if (c->state == COMMAND_KILLING || (c->killed && c->state != COMMAND_DRAINING))
            wish = KILL_INTERVAL;
        else if (c->state == COMMAND_DRAINING)
            wish = io_poll_timeout(c->deadline);
        if (wish >= 0 && (timeout < 0 || wish < timeout))
            timeout = wish;
    }
    return timeout;
}

static int turn(struct commands *cs, struct command *c, const struct pollfd *p,
                struct failure *failure)
{
    /* Before the end: the command's start must be known before its end. */
    if (p[ON_STATUS].revents && check_start(cs, c, failure) < 0)
        return -1;
    if (p[ON_REPORTS].revents)
        command_take_reports(c);
    if (p[ON_IN].revents)
        command_feed(c);
    if (c->state == COMMAND_ENDED) {
        if (p[ON_OUT].revents)
            command_discard(&c->out);
        if (p[ON_ERR].revents)
            command_discard(&c->err);
    } else if ((p[ON_OUT].revents || p[ON_ERR].revents) && take_output(cs, c) < 0) {
        return no_memory(failure);
    }
    return 0;
}

int commands_turn(struct commands *cs, const struct pollfd *p, bool signalled,
                  struct failure *failure)
{
    for (size_t i = 0; i < cs->polled; i++)
        if (turn(cs, cs->all[i], p + i * COMMAND_POLLS, failure) < 0)
            return -1;
    bool ends = commands_one_is_alone(cs) && cs->all[0]->reaped;
    bool children = signalled || ends || cs->orphans ? reap(cs) : true;
    kill_orphans(cs);
    for (size_t i = 0; i < cs->count; i++) {
        struct command *c = cs->all[i];
        if (advance(cs, c, children, failure) < 0)
            return -1;
        if (give_credit(cs, c) < 0)
            return no_memory(failure);
    }
    for (size_t i = cs->count; i-- > 0;)
        if (cs->all[i]->state == COMMAND_ENDED && cs->all[i]->subreaper == 0)
            drop(cs, i);
    return 0;
}

void commands_kill_all(const struct commands *cs)
{
    if (getpid() == 1)
        kill(-1, SIGKILL);
    for (size_t i = 0; i < cs->count && getpid() != 1; i++) {
        command_kill(cs->all[i]);
        if (cs->all[i]->subreaper > 0)
            kill(cs->all[i]->subreaper, SIGKILL);
    }
}
