/* SPDX-License-Identifier: MIT */
/*
 * The supervisor: one process per run.
 *
 *     PREPARE   the engine makes the sandbox: mounts, bundle, cgroup. Nothing of it runs yet.
 *     START     the runtime has been started; the agent's HELLO is awaited. Its evidence of the
 * kernel is checked against the tier: a sandbox that is not what was asked for goes no further.
 *     SEED      the files of `dir` go in, then the command is started.
 *     RUN       stdin goes in, output comes out, until the agent reports the command's end.
 *     COLLECT   after exit code 0 the agent is asked for the entries of `extract`.
 *     END       the sandbox is killed and waited for, what it used is read, all of it is removed,
 * and only then the result is sent.
 *
 * One poll loop serves all phases. Each has a deadline of its own. Cancelling, timing out, the
 * caller's end and every failure take the same way: straight to END, where the engine's kill() ends
 * whatever there is. Only PREPARE blocks; it waits for nothing from outside but the host's kernel.
 *
 * The agent is in the hands of what runs in the sandbox. A frame that is not expected in a phase
 * ends the run; nothing that it says is used without a check.
 */
#include "run/supervisor.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "engine/engine.h"
#include "run/extraction.h"
#include "run/output.h"
#include "run/seed.h"
#include "wire/order.h"
#include "wire/result.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>

enum phase { PHASE_START, PHASE_SEED, PHASE_RUN, PHASE_COLLECT, PHASE_END };

/* ms. Of START and the orders, and of SEED and COLLECT without any progress. */
enum { REQUEST_TIMEOUT = 10000, START_TIMEOUT = 60000, STALL_TIMEOUT = 60000 };
/* COLLECT as a whole, and how long a result waits for a caller that is alive but does not read. */
enum { COLLECT_TIMEOUT = 30 * 60000, RESULT_TIMEOUT = 24 * 3600000 };

/* Frames for the agent are made while less than this waits to be written. */
enum { QUEUE_ENOUGH = 256 * 1024 };

enum { RUNTIME_TEXT_MAX = 4096 };

struct supervisor {
    const struct run_order *order;
    const struct request *request; /* the order's */
    const char *id;
    enum phase phase;
    int64_t deadline;       /* of the phase; IO_NO_DEADLINE: none */
    int64_t phase_deadline; /* of COLLECT as a whole */

    struct sandbox *sandbox;
    struct agent_link link;
    struct output output;
    struct seed *seed;
    bool seed_done;
    struct extraction extraction;

    bool input_open;     /* the fd for stdin has more */
    bool input_pollable; /* it is a pipe or such, not a file */
    uint64_t input_credit;

    char runtime_text[RUNTIME_TEXT_MAX + 1];
    size_t runtime_text_length;

    bool caller_gone;
    bool exited; /* the agent's EXIT has come */
    bool failed; /* `error` is what the caller gets */
    lr_error error;
    lr_result result;
    struct utsname host;
    char kernel[sizeof(((struct utsname *)0)->release)];
    int64_t began, prepared, running, ended; /* microseconds; 0: not reached */
};

/* ---------------------------------------------------------------- ways to the end */

static void end_run(struct supervisor *s)
{
    if (s->phase == PHASE_END)
        return;
    s->phase = PHASE_END;
    if (s->sandbox)
        s->sandbox->engine->kill(s->sandbox);
}

/* Ends the run with s->error, which has been filled. The first error is the one that counts. */
static void fail_run(struct supervisor *s)
{
    s->failed = true;
    end_run(s);
}

static void fail_protocol(struct supervisor *s, const char *what)
{
    if (s->failed)
        return;
    error_set(&s->error, LR_CONTAINER_START_FAILED, "agent", "the agent broke the protocol: %s",
              what);
    if (s->running) {
        /* The command has been running: whatever took the agent over did so from inside. */
        s->error.code = LR_ISOLATION_FAILED;
    }
    fail_run(s);
}

static void set_killed(struct supervisor *s)
{
    s->result.exit_code = 128 + SIGKILL;
    s->result.signal = SIGKILL;
    end_run(s);
}

static void cancel_run(struct supervisor *s)
{
    s->result.cancelled = true;
    set_killed(s);
}

/* ---------------------------------------------------------------- START */

static int send_fields(struct supervisor *s, enum frame_type type, struct buffer *fields)
{
    return agent_link_send(&s->link, type, buffer_data(fields), buffer_length(fields), &s->error);
}

static int send_prepare(struct supervisor *s)
{
    cleanup_buffer struct buffer fields;
    buffer_init(&fields, FRAME_AGENT_MAX);
    const char *user = s->sandbox->image.user;
    if (!fields_add(&fields, "workdir", s->request->workdir) ||
        !fields_add(&fields, "user", user ? user : ""))
        return error_oom(&s->error, "agent.prepare");
    return send_fields(s, FRAME_PREPARE, &fields);
}

static bool name_is_in(const char *assignment, char *const *list)
{
    size_t length = strcspn(assignment, "=") + 1;
    for (; list && *list; list++)
        if (strncmp(assignment, *list, length) == 0)
            return true;
    return false;
}

/* The command's words: `sh -c` with what was asked for, else what the image says. */
static bool add_command(struct supervisor *s, struct buffer *fields)
{
    const struct image *image = &s->sandbox->image;
    if (s->request->entrypoint)
        return fields_add(fields, "arg", "sh") && fields_add(fields, "arg", "-c") &&
               fields_add(fields, "arg", s->request->entrypoint);
    char *const *lists[] = {image->entrypoint, image->cmd};
    for (size_t i = 0; i < 2; i++)
        for (char *const *word = lists[i]; word && *word; word++)
            if (!fields_add(fields, "arg", *word))
                return false;
    return true;
}

static int send_start(struct supervisor *s)
{
    static const char operation[] = "agent.start";
    const struct image *image = &s->sandbox->image;
    bool has_own = (image->entrypoint && *image->entrypoint) || (image->cmd && *image->cmd);
    if (!s->request->entrypoint && !has_own) {
        error_set(&s->error, LR_INVALID_ARGUMENT, operation,
                  "entrypoint: none was given, and the image '%s' has none", s->request->image);
        return error_hint(&s->error, "add a shell command behind the image's name");
    }
    cleanup_buffer struct buffer fields;
    buffer_init(&fields, FRAME_AGENT_MAX);
    bool fits = add_command(s, &fields);
    for (char **e = image->env; fits && e && *e; e++)
        fits = name_is_in(*e, s->request->env) || fields_add(&fields, "env", *e);
    for (char **e = s->request->env; fits && e && *e; e++)
        fits = fields_add(&fields, "env", *e);
    if (!fits)
        return error_set(&s->error, LR_INVALID_ARGUMENT, operation,
                         "entrypoint and env: longer than %d bytes in all", FRAME_AGENT_MAX);
    return send_fields(s, FRAME_START, &fields);
}

/* On to SEED, once the evidence has been checked and the network is there. */
static void leave_start(struct supervisor *s)
{
    if (!s->result.isolation.verified || s->sandbox->network >= 0)
        return;
    s->phase = PHASE_SEED;
    s->deadline = clock_ms() + STALL_TIMEOUT;
    if (send_prepare(s) < 0 || (s->seed_done && send_start(s) < 0))
        fail_run(s);
}

static void on_hello(struct supervisor *s, const struct frame *f)
{
    const char *release = fields_get(f, "release"), *kernel = fields_get(f, "kernel");
    const char *log = fields_get(f, "log");
    if (!release || !kernel || strlen(release) >= sizeof(s->kernel)) {
        fail_protocol(s, "HELLO");
        return;
    }
    strcpy(s->kernel, release);
    const struct tier_evidence seen = {release, kernel, log ? log : ""};
    const struct tier_evidence host = {s->host.release, s->host.version, ""};
    if (!s->sandbox->tier->verify(&seen, &host)) {
        error_set(&s->error, LR_ISOLATION_FAILED, "isolation.verify",
                  "'%s' was asked for, but the sandbox is on the kernel '%s'; nothing was run",
                  s->sandbox->tier->name, release);
        error_hint(&s->error, "see what works here: light-runner doctor");
        fail_run(s);
        return;
    }
    s->result.isolation.verified = true;
    leave_start(s);
}

/* The network is there before the command is, or there is no command. */
static void on_network(struct supervisor *s, bool up)
{
    if (s->phase != PHASE_START)
        return;
    if (up) {
        s->sandbox->network = s->sandbox->network_lost = -1;
        leave_start(s);
        return;
    }
    s->runtime_text[strcspn(s->runtime_text, "\n")] = '\0';
    error_set(&s->error, LR_CONTAINER_START_FAILED, "network.start",
              "the sandbox's network did not come up%s%s", s->runtime_text[0] ? ": " : "",
              s->runtime_text);
    error_hint(&s->error, "see what works here: light-runner doctor; or run with --network none");
    fail_run(s);
}

/* ---------------------------------------------------------------- SEED */

static void fill_seed(struct supervisor *s)
{
    if (seed_fill(s->seed, &s->link.out, QUEUE_ENOUGH, &s->seed_done, &s->error) < 0 ||
        (s->seed_done && send_start(s) < 0))
        fail_run(s);
}

static void on_running(struct supervisor *s)
{
    s->running = clock_us();
    s->phase = PHASE_RUN;
    s->deadline = clock_ms() + (int64_t)s->request->timeout_ms;
    s->input_open = true;
    s->input_credit = FRAME_STDIN_WINDOW;
    struct stat st;
    s->input_pollable = fstat(SUPERVISOR_INPUT, &st) == 0 && !S_ISREG(st.st_mode);
    if (output_frame(&s->output, FRAME_STARTED, "{}", 2, &s->error) < 0)
        fail_run(s);
}

/* The agent could not do what it was told. What failed decides how that is called. */
static void on_failed(struct supervisor *s, const struct frame *f)
{
    const char *operation = fields_get(f, "operation"), *message = fields_get(f, "message");
    if (!operation || !message) {
        fail_protocol(s, "FAILED");
        return;
    }
    bool seeding = strcmp(operation, "seed") == 0;
    char text[512];
    snprintf(text, sizeof(text), "%s", message);
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    error_set(&s->error, seeding ? LR_SEED_FAILED : LR_CONTAINER_START_FAILED,
              seeding ? "seed.write" : "agent.start", "%s", text);
    if (strcmp(operation, "exec") == 0)
        error_hint(&s->error,
                   "the image must have what is to be run in it (a shell command needs sh)");
    else if (seeding && strstr(text, "No space left"))
        error_hint(&s->error, "raise the run's storage: --disk 4g");
    fail_run(s);
}

/* ---------------------------------------------------------------- RUN */

/* Moves stdin along, as far as the agent's credit goes. */
static void feed_input(struct supervisor *s)
{
    while (s->input_open && s->input_credit > 0 && buffer_length(&s->link.out) < QUEUE_ENOUGH) {
        size_t want = s->input_credit < FRAME_DATA_MAX ? (size_t)s->input_credit : FRAME_DATA_MAX;
        char *to = buffer_reserve(&s->link.out, FRAME_HEADER_SIZE + want);
        if (!to) {
            error_oom(&s->error, "input");
            fail_run(s);
            return;
        }
        ssize_t n = read(SUPERVISOR_INPUT, to + FRAME_HEADER_SIZE, want);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            return;
        if (n > 0) {
            frame_header(to, FRAME_STDIN, (uint32_t)n);
            buffer_commit(&s->link.out, FRAME_HEADER_SIZE + (size_t)n);
            s->input_credit -= (uint64_t)n;
            /* The next read of a pipe might block: poll first. */
            if (s->input_pollable)
                return;
            continue;
        }
        /* Its end, or it cannot be read: the command sees the end of its input. */
        s->input_open = false;
        if (agent_link_send(&s->link, FRAME_STDIN_EOF, NULL, 0, &s->error) < 0)
            fail_run(s);
    }
}

static void start_collecting(struct supervisor *s)
{
    s->phase = PHASE_COLLECT;
    s->deadline = clock_ms() + STALL_TIMEOUT;
    s->phase_deadline = clock_ms() + COLLECT_TIMEOUT;
    bool done = true;
    if (extraction_init(&s->extraction, s->request, &s->error) < 0 ||
        extraction_next(&s->extraction, &s->link, &done, &s->error) < 0)
        fail_run(s);
    else if (done)
        end_run(s);
}

static void on_command_end(struct supervisor *s, const struct frame *f)
{
    uint64_t code, signal_number;
    if (!fields_get_u64(f, "code", &code) || !fields_get_u64(f, "signal", &signal_number) ||
        code > 255 || signal_number > 64) {
        fail_protocol(s, "EXIT");
        return;
    }
    s->exited = true;
    s->ended = clock_us();
    s->result.exit_code = (int)code;
    s->result.signal = (int)signal_number;
    if (code == 0 && s->request->has_extract)
        start_collecting(s);
    else
        end_run(s);
}

/* ---------------------------------------------------------------- frames of the agent */

static void on_run_frame(struct supervisor *s, const struct frame *f)
{
    uint64_t bytes;
    switch (f->type) {
    case FRAME_STDOUT:
    case FRAME_STDERR:
        if (output_log(&s->output, f->type == FRAME_STDOUT ? FRAME_LOG_STDOUT : FRAME_LOG_STDERR,
                       f->payload, f->length, &s->error) < 0)
            fail_run(s);
        break;
    case FRAME_STDIN_CREDIT:
        if (!fields_get_u64(f, "bytes", &bytes) || bytes > FRAME_STDIN_WINDOW - s->input_credit)
            fail_protocol(s, "STDIN_CREDIT");
        else
            s->input_credit += bytes;
        break;
    case FRAME_EXIT:
        on_command_end(s, f);
        break;
    default:
        fail_protocol(s, "an unexpected frame while the command runs");
    }
}

static void on_collect_frame(struct supervisor *s, const struct frame *f)
{
    size_t before = s->extraction.at;
    bool done = false;
    s->deadline = clock_ms() + STALL_TIMEOUT;
    lr_error local = {0};
    if (extraction_frame(&s->extraction, f, &local) < 0) {
        extraction_abort(&s->extraction, local.message);
        end_run(s);
    } else if (s->extraction.at != before) {
        if (extraction_next(&s->extraction, &s->link, &done, &s->error) < 0)
            fail_run(s);
        else if (done)
            end_run(s);
    }
}

static bool is_raw(uint8_t type)
{
    return type == FRAME_STDOUT || type == FRAME_STDERR || type == FRAME_DATA;
}

static void on_frame(struct supervisor *s, const struct frame *f)
{
    if (!is_raw(f->type) && !fields_valid(f)) {
        fail_protocol(s, "fields");
        return;
    }
    if (f->type == FRAME_FAILED && s->phase != PHASE_COLLECT) {
        on_failed(s, f);
        return;
    }
    switch (s->phase) {
    case PHASE_START:
        if (f->type == FRAME_HELLO && !s->result.isolation.verified)
            on_hello(s, f);
        else
            fail_protocol(s, "something else before HELLO");
        break;
    case PHASE_SEED:
        if (f->type == FRAME_RUNNING && s->seed_done)
            on_running(s);
        else if (f->type != FRAME_SEEDED)
            fail_protocol(s, "an unexpected frame before the command runs");
        break;
    case PHASE_RUN:
        on_run_frame(s, f);
        break;
    case PHASE_COLLECT:
        on_collect_frame(s, f);
        break;
    case PHASE_END:
        break;
    }
}

static void take_frames(struct supervisor *s)
{
    while (s->phase != PHASE_END) {
        struct frame f;
        enum frame_status status = frame_peek(&s->link.in, FRAME_AGENT_MAX, &f);
        if (status == FRAME_PARTIAL)
            return;
        if (status == FRAME_BROKEN) {
            fail_protocol(s, "not a frame");
            return;
        }
        on_frame(s, &f);
        frame_consume(&s->link.in, &f);
    }
}

/* The sandbox's end of the channel is closed: it is dead, or as good as that. */
static void on_agent_gone(struct supervisor *s)
{
    if (s->phase == PHASE_END)
        return;
    if (s->phase == PHASE_COLLECT) {
        extraction_abort(&s->extraction, "the sandbox ended during the extraction");
        end_run(s);
    } else if (s->running) {
        /* Killed with all that was in it: by the OOM killer, or from outside. finish() tells. */
        set_killed(s);
    } else {
        s->runtime_text[strcspn(s->runtime_text, "\n")] = '\0';
        error_set(&s->error, LR_CONTAINER_START_FAILED, "runtime.start",
                  "the sandbox ended before the command was started%s%s",
                  s->runtime_text[0] ? ": " : "", s->runtime_text);
        error_hint(&s->error, "see what works here: light-runner doctor");
        fail_run(s);
    }
}

/* ---------------------------------------------------------------- the loop */

enum {
    AT_AGENT_OUT,
    AT_AGENT_IN,
    AT_TEXT,
    AT_ALIVE,
    AT_NETWORK,
    AT_NETWORK_LOST,
    AT_CALLER,
    AT_SHARED,
    AT_CANCEL,
    AT_INPUT,
    AT_COUNT
};

static void set_polls(const struct supervisor *s, struct pollfd *p)
{
    bool input = s->phase == PHASE_RUN && s->input_open && s->input_credit > 0 &&
                 buffer_length(&s->link.out) < QUEUE_ENOUGH;
    /* Files are always ready to be read: the pipe alone sets the pace of what is made of them. */
    bool more = buffer_length(&s->link.out) > 0 || (input && !s->input_pollable) ||
                (s->phase == PHASE_SEED && !s->seed_done);
    short caller = POLLIN | (output_pending(&s->output) ? POLLOUT : 0);
    const struct pollfd wanted[AT_COUNT] = {
        [AT_AGENT_OUT] = {s->link.from, POLLIN, 0},
        [AT_AGENT_IN] = {more ? s->link.to : -1, POLLOUT, 0},
        [AT_TEXT] = {s->sandbox->runtime_text, POLLIN, 0},
        [AT_ALIVE] = {s->sandbox->alive, POLLIN, 0},
        [AT_NETWORK] = {s->sandbox->network, POLLIN, 0},
        [AT_NETWORK_LOST] = {s->sandbox->network_lost, POLLIN, 0},
        [AT_CALLER] = {s->caller_gone ? -1 : SUPERVISOR_CALLER, caller, 0},
        [AT_SHARED] = {SUPERVISOR_CANCEL_SHARED, POLLIN, 0},
        [AT_CANCEL] = {SUPERVISOR_CANCEL, POLLIN, 0},
        [AT_INPUT] = {input && s->input_pollable ? SUPERVISOR_INPUT : -1, POLLIN, 0},
    };
    memcpy(p, wanted, sizeof(wanted));
}

static void read_runtime_text(struct supervisor *s)
{
    char chunk[1024];
    ssize_t n = read(s->sandbox->runtime_text, chunk, sizeof(chunk));
    if (n <= 0) {
        cleanup_close_fd(&s->sandbox->runtime_text);
        return;
    }
    size_t room = RUNTIME_TEXT_MAX - s->runtime_text_length;
    size_t take = (size_t)n < room ? (size_t)n : room;
    memcpy(s->runtime_text + s->runtime_text_length, chunk, take);
    s->runtime_text_length += take;
    s->runtime_text[s->runtime_text_length] = '\0';
}

static void on_deadline(struct supervisor *s)
{
    switch (s->phase) {
    case PHASE_START:
        error_set(&s->error, LR_CONTAINER_START_FAILED, "runtime.start",
                  "the sandbox did not come up within %d s", START_TIMEOUT / 1000);
        fail_run(s);
        break;
    case PHASE_SEED:
        error_set(&s->error, LR_SEED_FAILED, "seed.write",
                  "the sandbox took no more files for %d s", STALL_TIMEOUT / 1000);
        fail_run(s);
        break;
    case PHASE_RUN:
        s->result.timed_out = true;
        set_killed(s);
        break;
    case PHASE_COLLECT:
        extraction_abort(&s->extraction, "the extraction took too long");
        end_run(s);
        break;
    case PHASE_END:
        break;
    }
}

/* The caller has nothing to say after its request but that it is gone. */
static void on_caller(struct supervisor *s)
{
    char byte;
    ssize_t n = recv(SUPERVISOR_CALLER, &byte, 1, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    s->caller_gone = true;
    s->output.socket = -1;
    cancel_run(s);
}

static void serve(struct supervisor *s, const struct pollfd *p)
{
    /* What the sandbox says is taken before its end is noticed: EXIT may be in the pipe. */
    if (p[AT_TEXT].revents)
        read_runtime_text(s);
    if (p[AT_AGENT_OUT].revents) {
        agent_link_fill(&s->link);
        take_frames(s);
    } else if (p[AT_ALIVE].revents && s->link.from >= 0) {
        on_agent_gone(s);
    }
    if (s->link.from < 0 && s->sandbox->runtime_text < 0)
        on_agent_gone(s);
    if (p[AT_NETWORK].revents)
        on_network(s, true);
    else if (p[AT_NETWORK_LOST].revents)
        on_network(s, false);
    if (p[AT_SHARED].revents || p[AT_CANCEL].revents)
        cancel_run(s);
    if (p[AT_CALLER].revents & POLLOUT)
        output_flush(&s->output);
    if (p[AT_CALLER].revents & ~POLLOUT)
        on_caller(s);
    if (p[AT_AGENT_IN].revents && s->phase == PHASE_SEED)
        s->deadline = clock_ms() + STALL_TIMEOUT;
    if (s->phase == PHASE_SEED && !s->seed_done)
        fill_seed(s);
    if (s->phase == PHASE_RUN && (p[AT_INPUT].revents || !s->input_pollable))
        feed_input(s);
    agent_link_flush(&s->link);
}

static void loop(struct supervisor *s)
{
    while (s->phase != PHASE_END) {
        struct pollfd p[AT_COUNT];
        set_polls(s, p);
        int64_t deadline = s->deadline;
        if (s->phase == PHASE_COLLECT && s->phase_deadline < deadline)
            deadline = s->phase_deadline;
        int n = poll(p, AT_COUNT, io_poll_timeout(deadline));
        if (n < 0 && errno != EINTR) {
            error_errno(&s->error, LR_INTERNAL, "supervisor.loop", errno, "poll");
            fail_run(s);
            return;
        }
        if (clock_ms() >= deadline)
            on_deadline(s);
        else if (n > 0)
            serve(s, p);
    }
}

/* ---------------------------------------------------------------- one run */

static int open_sandbox(struct supervisor *s)
{
    const struct engine *engine;
    s->seed_done = s->request->dir == NULL;
    if (engine_find(&engine, s->request->engine, &s->error) < 0 ||
        (s->request->dir && seed_open(&s->seed, s->request->dir, &s->error) < 0) ||
        engine->prepare(&s->sandbox, s->id, s->request, &s->error) < 0)
        return -1;
    s->prepared = clock_us();
    if (engine->start(s->sandbox, &s->error) < 0 ||
        agent_link_init(&s->link, s->sandbox->to_agent, s->sandbox->from_agent, &s->error) < 0)
        return -1;
    s->phase = PHASE_START;
    s->deadline = clock_ms() + START_TIMEOUT;
    return 0;
}

static double ms_between(int64_t from, int64_t to)
{
    return from && to && to > from ? (double)(to - from) / 1000.0 : 0;
}

static void complete_result(struct supervisor *s, const struct cgroup_usage *usage, int64_t now)
{
    lr_result *r = &s->result;
    r->id = s->id;
    r->oom_killed = usage->oom_kills > 0 && r->exit_code != 0 && !r->cancelled && !r->timed_out;
    r->log_truncated = s->output.truncated;
    r->success = r->exit_code == 0 && !r->cancelled && !r->timed_out;
    r->duration_ms = (uint64_t)(now - s->began) / 1000;
    r->usage.cpu_ms = usage->cpu_us / 1000;
    r->usage.user_ms = usage->user_us / 1000;
    r->usage.system_ms = usage->system_us / 1000;
    r->usage.peak_memory_bytes = usage->peak_memory_bytes;
    r->usage.processes = usage->peak_pids;
    r->isolation.runtime = s->sandbox ? s->sandbox->tier->name : s->request->runtime;
    r->isolation.kernel = s->kernel;
    r->isolation.host_kernel = s->host.release;
    int64_t ended = s->ended ? s->ended : s->running ? now : 0;
    r->timings.prepare_ms = ms_between(s->began, s->prepared);
    r->timings.start_ms = ms_between(s->prepared, s->running);
    r->timings.run_ms = ms_between(s->running, ended);
    r->timings.collect_ms = ms_between(ended, now);
    if (s->extraction.results && s->exited) {
        r->extracted = s->extraction.results;
        r->extracted_count = s->request->extract_count;
    }
}

/* Kills, waits, removes; then there is nothing left of the sandbox but what is in the result. */
static void close_sandbox(struct supervisor *s)
{
    struct cgroup_usage usage = {0};
    lr_error local = {0};
    if (s->sandbox) {
        s->sandbox->engine->kill(s->sandbox);
        if (s->prepared && s->sandbox->engine->finish(s->sandbox, &usage, &local) < 0 &&
            !s->failed) {
            s->error = local;
            s->failed = true;
        }
    }
    complete_result(s, &usage, clock_us());
    agent_link_free(&s->link);
    if (s->sandbox)
        s->sandbox->engine->destroy(s->sandbox);
    s->sandbox = NULL;
}

static void answer(struct supervisor *s)
{
    json_t *document;
    if (s->failed) {
        if (!s->error.container[0])
            snprintf(s->error.container, sizeof(s->error.container), "%s", s->id);
        document = error_to_json(&s->error);
    } else {
        document = result_to_json(&s->result);
    }
    cleanup_free char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
    json_decref(document);
    if (!text)
        return;
    output_frame(&s->output, s->failed ? FRAME_ERROR : FRAME_RESULT, text, strlen(text), NULL);
    output_drain(&s->output, clock_ms() + RESULT_TIMEOUT);
}

/* Reads the one REQUEST. */
static int receive_order(struct run_order *order, lr_error *err)
{
    static const char operation[] = "supervisor.request";
    int64_t deadline = clock_ms() + REQUEST_TIMEOUT;
    cleanup_buffer struct buffer in;
    buffer_init(&in, FRAME_CALLER_MAX + FRAME_HEADER_SIZE);
    struct frame f;
    enum frame_status status;
    size_t want = FRAME_HEADER_SIZE;
    while ((status = frame_peek(&in, FRAME_CALLER_MAX, &f)) == FRAME_PARTIAL) {
        if (buffer_length(&in) == FRAME_HEADER_SIZE) {
            uint32_t length;
            memcpy(&length, buffer_data(&in) + 4, sizeof(length));
            want = le32toh(length);
        }
        char *to = want ? buffer_reserve(&in, want) : NULL;
        if (!to || io_read_exact(SUPERVISOR_CALLER, to, want, deadline) < 0)
            return error_errno(err, LR_INTERNAL, operation, errno, "no request came");
        buffer_commit(&in, want);
    }
    if (status != FRAME_OK || f.type != FRAME_REQUEST)
        return error_set(err, LR_INTERNAL, operation, "what came is not a request");
    return order_parse(order, f.payload, f.length, err);
}

int supervisor_run(const char *id)
{
    struct supervisor s = {.id = id, .began = clock_us(), .deadline = IO_NO_DEADLINE};
    struct run_order order = {0};
    s.phase_deadline = IO_NO_DEADLINE;
    uname(&s.host);
    output_init(&s.output, SUPERVISOR_CALLER, true, 0);
    if (receive_order(&order, &s.error) < 0) {
        s.failed = true;
        s.request = &order.request;
    } else {
        s.order = &order;
        s.request = &order.request;
        s.id = order.id;
        output_init(&s.output, SUPERVISOR_CALLER, order.logs, order.request.max_log_bytes);
        if (open_sandbox(&s) < 0)
            fail_run(&s);
        else
            loop(&s);
    }
    close_sandbox(&s);
    answer(&s);
    int code = s.failed ? 1 : 0;
    seed_close(s.seed);
    extraction_free(&s.extraction);
    output_free(&s.output);
    order_free(&order);
    return code;
}
