/* SPDX-License-Identifier: MIT */
#include "run/phases.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "run/environment.h"
#include "run/evidence.h"
#include "run/hold.h"
#include "run/input.h"
#include "wire/state.h"
#include "wire/supervisor_fds.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* ---------------------------------------------------------------- ways to the end */

/* Answers the client or the caller that asked for the pause or resume that was under way. */
static void answer_later(struct supervisor *s, const lrun_error *failed)
{
    control_answer_later(s->control, failed);
    struct frame f;
    if (frame_peek(&s->asked, CONTROL_MAX, &f) != FRAME_OK)
        return;
    cleanup_free char *text = control_answer(&f, failed);
    if (text)
        output_frame(&s->output, FRAME_CONTROLLED, text, strlen(text), NULL);
    buffer_clear(&s->asked);
}

void phase_end(struct supervisor *s)
{
    if (s->phase == PHASE_END)
        return;
    s->phase = PHASE_END;
    if (s->sandbox && s->sandbox->pausing >= 0) {
        lrun_error e = {0};
        error_set(&e, LRUN_INVALID_ARGUMENT, "control", "the run has ended");
        answer_later(s, &e);
    }
    if (s->sandbox)
        s->sandbox->engine->kill(s->sandbox);
}

/* The first error is the one that counts. */
void phase_fail(struct supervisor *s)
{
    s->failed = true;
    phase_end(s);
}

static void fail_protocol(struct supervisor *s, const char *what)
{
    if (s->failed)
        return;
    if (s->phase == PHASE_COLLECT) {
        /* The command has ended; losing its files does not change its result. */
        extraction_abort(&s->extraction, "the agent broke the protocol");
        phase_end(s);
        return;
    }
    error_set(&s->error, LRUN_START_FAILED, "agent", "the agent broke the protocol: %s", what);
    if (s->running) {
        /* The command was running, so the agent was taken over from inside. */
        s->error.code = LRUN_ISOLATION_FAILED;
    }
    phase_fail(s);
}

void phase_killed(struct supervisor *s)
{
    s->result.exit_code = 128 + SIGKILL;
    s->result.signal = SIGKILL;
    phase_end(s);
}

void phase_cancel(struct supervisor *s)
{
    s->result.cancelled = true;
    phase_killed(s);
}

/* Whether the files are extracted even though the command did not succeed. */
static bool wants_files_anyway(const struct supervisor *s)
{
    return s->request->has_extract && s->request->extract_always && !s->result.cancelled;
}

void phase_lose_files(struct supervisor *s, const char *reason)
{
    lrun_error ignored;
    if (wants_files_anyway(s) && !s->extraction.results &&
        extraction_init(&s->extraction, s->request, s->umask, &ignored) == 0)
        extraction_abort(&s->extraction, reason);
}

/* ---------------------------------------------------------------- START */

static int send_fields(struct supervisor *s, enum frame_type type, struct buffer *fields)
{
    return agent_link_send(&s->link, type, buffer_data(fields), buffer_length(fields), &s->error);
}

static int send_confine(struct supervisor *s)
{
    cleanup_buffer struct buffer fields;
    buffer_init(&fields, FRAME_AGENT_MAX);
    if (!fields_add_u64(&fields, "pids", s->sandbox->pids) ||
        !fields_add_u64(&fields, "memory", s->request->memory_bytes) ||
        !fields_add_u64(&fields, "cpu_us", s->sandbox->cpu_us))
        return error_oom(&s->error, "agent.confine");
    return send_fields(s, FRAME_CONFINE, &fields);
}

static bool add_names(const struct supervisor *s, struct buffer *fields)
{
    const struct resolver *names = &s->sandbox->names;
    for (size_t i = 0; i < names->count; i++)
        if (!fields_add(fields, "nameserver", names->servers[i]))
            return false;
    return (!s->request->dns || fields_add(fields, "named", "1")) &&
           (s->sandbox->keep || fields_add(fields, "own", "1"));
}

/* Sends the filter before INSPECT, so that the agent reports on itself once it is as confined as
 * the command will be. */
static int send_walls(struct supervisor *s)
{
    if (s->sandbox->pids && send_confine(s) < 0)
        return -1;
    if (s->sandbox->filter && agent_link_send(&s->link, FRAME_FILTER, s->sandbox->filter,
                                              s->sandbox->filter_length, &s->error) < 0)
        return -1;
    return agent_link_send(&s->link, FRAME_INSPECT, NULL, 0, &s->error);
}

static int send_prepare(struct supervisor *s)
{
    cleanup_buffer struct buffer fields;
    buffer_init(&fields, FRAME_AGENT_MAX);
    const char *user = s->sandbox->image.user;
    if (!fields_add(&fields, "workdir", s->request->workdir) ||
        (s->workdir_unnamed && !fields_add(&fields, "otherwise", "/")) ||
        !fields_add(&fields, "user", user ? user : "") || !add_names(s, &fields))
        return error_oom(&s->error, "agent.prepare");
    return send_fields(s, FRAME_PREPARE, &fields);
}

/* Adds the command's words: argv of the request, or `sh -c` with its entrypoint, or the image's
 * own. */
static bool add_command(struct supervisor *s, struct buffer *fields)
{
    const struct image *image = &s->sandbox->image;
    if (s->request->entrypoint)
        return fields_add(fields, "shell", "1") && fields_add(fields, "arg", "sh") &&
               fields_add(fields, "arg", "-c") && fields_add(fields, "arg", s->request->entrypoint);
    /* With argv, a missing program is the request's fault; report it as the command's end, like any
     * other. */
    char *const *lists[] = {image->entrypoint, image->cmd};
    if (s->request->argv) {
        if (!fields_add(fields, "report", "exit"))
            return false;
        lists[0] = s->request->argv;
        lists[1] = NULL;
    }
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
    if (!s->request->entrypoint && !s->request->argv && !has_own) {
        error_set(&s->error, LRUN_INVALID_ARGUMENT, operation,
                  "entrypoint: none was given, and the image '%s' has none", s->request->image);
        return error_hint(&s->error, "add a shell command after the image's name");
    }
    cleanup_buffer struct buffer fields;
    buffer_init(&fields, FRAME_AGENT_MAX);
    if (!add_command(s, &fields) ||
        !environment_add(&fields, image->env, s->request->env, s->sandbox->env))
        return error_set(&s->error, LRUN_INVALID_ARGUMENT, operation,
                         "%s and env: longer than %d bytes in all",
                         s->request->argv ? "argv" : "entrypoint", FRAME_AGENT_MAX);
    s->ordered = true;
    return send_fields(s, FRAME_START, &fields);
}

/* Goes on to SEED once the evidence has been checked and the network is up. */
static void leave_start(struct supervisor *s)
{
    if (!s->result.isolation.verified || s->sandbox->network >= 0)
        return;
    s->phase = PHASE_SEED;
    s->deadline = clock_ms() + STALL_TIMEOUT;
    if (send_prepare(s) < 0 || (s->seed_done && send_start(s) < 0))
        phase_fail(s);
}

static bool is_good(struct supervisor *s, enum evidence evidence, const char *frame)
{
    if (evidence == EVIDENCE_BROKEN)
        fail_protocol(s, frame);
    else if (evidence == EVIDENCE_BAD)
        phase_fail(s);
    return evidence == EVIDENCE_GOOD;
}

static void on_hello(struct supervisor *s, const struct frame *f)
{
    s->heard = true;
    if (!is_good(s, evidence_of_kernel(s, f), "HELLO"))
        return;
    if (send_walls(s) < 0) {
        phase_fail(s);
        return;
    }
    /* The agent can work on the frames meanwhile. */
    agent_link_flush(&s->link);
    if (s->sandbox->engine->ready)
        s->sandbox->engine->ready(s->sandbox);
    uint64_t used;
    if (!s->request->cpu_timeout_ms || s->sandbox->engine->cpu_used(s->sandbox, &used) == 0)
        return;
    error_set(
        &s->error, LRUN_NOT_SUPPORTED, "cpu.read",
        "cpuTimeout: nothing counts the CPU time of a run in the tier '%s' on the engine '%s' here",
        s->sandbox->tier->name, s->sandbox->engine->name);
    error_hint(&s->error, "leave out --cpu-timeout; or see what works here: light-runner doctor");
    phase_fail(s);
}

static void on_walls(struct supervisor *s, const struct frame *f)
{
    if (!is_good(s, evidence_of_walls(s, f), "WALLS"))
        return;
    s->result.isolation.verified = true;
    leave_start(s);
}

enum { SAID_SIZE = SANDBOX_SAID_MAX + sizeof(": ") };

/* Returns the first line of the runtime's output, preceded by ": ", for an error; "" if there is
 * none. It may quote names from the image. */
static const char *first_line(char out[SAID_SIZE], const char *said)
{
    int length = (int)strcspn(said, "\n");
    snprintf(out, SAID_SIZE, "%s%.*s", length ? ": " : "", length, said);
    text_make_printable(out);
    return out;
}

/* The command is started only if the network is up. */
void phase_on_network(struct supervisor *s, bool up)
{
    if (s->phase != PHASE_START)
        return;
    if (up) {
        leave_start(s);
        return;
    }
    char said[SAID_SIZE];
    error_set(&s->error, LRUN_START_FAILED, "network.start",
              "the sandbox's network did not come up%s", first_line(said, s->sandbox->said));
    error_hint(&s->error, "see what works here: light-runner doctor; or run with --network none");
    phase_fail(s);
}

/* ---------------------------------------------------------------- SEED */

void phase_fill_seed(struct supervisor *s)
{
    if (seed_fill(s->seed, &s->link.out, QUEUE_ENOUGH, &s->seed_done, &s->error) < 0 ||
        (s->seed_done && send_start(s) < 0))
        phase_fail(s);
}

/* From now on the run has a state and is controlled through its socket; its caller may go. */
static int begin_state(struct supervisor *s)
{
    if (!s->request->detached)
        return 0;
    if (state_open_dir(&s->state_dir, true, &s->error) < 0 ||
        control_open(&s->control, s->state_dir, s->id, &s->error) < 0)
        return -1;
    char name[64];
    snprintf(name, sizeof(name), "%s.log", s->id);
    s->output.log = openat(s->state_dir, name,
                           O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->output.log < 0)
        return error_errno(&s->error, LRUN_IO_FAILED, "state", errno, "cannot make '%s'", name);
    s->state = state_begin(s->id, s->request);
    if (s->state && state_write(s->state_dir, s->state, &s->error) == 0)
        return 0;
    /* Without a state there is no detached run. The caller is still there to get the error. */
    if (!s->state)
        error_oom(&s->error, "state");
    json_decref(s->state);
    s->state = NULL;
    unlinkat(s->state_dir, name, 0);
    return -1;
}

static void on_running(struct supervisor *s)
{
    s->running = clock_us();
    if (s->sandbox->engine->running)
        s->sandbox->engine->running(s->sandbox);
    s->phase = PHASE_RUN;
    s->deadline = clock_ms() + (int64_t)s->request->timeout_ms;
    s->input_open = true;
    s->input_credit = FRAME_STDIN_WINDOW;
    s->input_pollable = input_is_pollable(SUPERVISOR_INPUT);
    if (s->request->cpu_timeout_ms && s->sandbox->engine->cpu_used(s->sandbox, &s->cpu_before) == 0)
        phase_look_at_cpu(s);
    if (begin_state(s) < 0 || output_frame(&s->output, FRAME_STARTED, "{}", 2, &s->error) < 0)
        phase_fail(s);
    hold_at("run");
}

/* The agent could not do what it was told. The operation that failed decides which error this
 * is. */
static void on_failed(struct supervisor *s, const struct frame *f)
{
    const char *operation = fields_get(f, "operation"), *message = fields_get(f, "message");
    /* Once the command runs, nothing can fail but the agent: the command did start. */
    if (!operation || !message || s->running) {
        fail_protocol(s, "FAILED");
        return;
    }
    bool seeding = strcmp(operation, "seed") == 0;
    char text[512];
    snprintf(text, sizeof(text), "%s", message);
    text_make_printable(text);
    error_set(&s->error, seeding ? LRUN_SEED_FAILED : LRUN_START_FAILED,
              seeding ? "seed.write" : "agent.start", "%s", text);
    if (strcmp(operation, "exec") == 0)
        error_hint(&s->error, "the image must have what is to be run in it (a shell command needs "
                              "sh; --argv does not)");
    else if (seeding && strstr(text, "No space left"))
        error_hint(&s->error, "raise the run's storage: --disk 4g");
    phase_fail(s);
}

/* ---------------------------------------------------------------- RUN */

void phase_feed_input(struct supervisor *s)
{
    while (s->input_open && s->input_credit > 0 && buffer_length(&s->link.out) < QUEUE_ENOUGH) {
        size_t want = s->input_credit < FRAME_DATA_MAX ? (size_t)s->input_credit : FRAME_DATA_MAX;
        char *to = buffer_reserve(&s->link.out, FRAME_HEADER_SIZE + want);
        if (!to) {
            error_oom(&s->error, "input");
            phase_fail(s);
            return;
        }
        hold_at("input");
        char *bytes = to + FRAME_HEADER_SIZE;
        ssize_t n = s->input_pollable ? input_read(SUPERVISOR_INPUT, bytes, want)
                                      : read(SUPERVISOR_INPUT, bytes, want);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            return;
        if (n > 0) {
            frame_header(to, FRAME_STDIN, (uint32_t)n);
            buffer_commit(&s->link.out, FRAME_HEADER_SIZE + (size_t)n);
            s->input_credit -= (uint64_t)n;
            /* Everything else that the loop serves gets its turn before more input does. */
            if (s->input_pollable)
                return;
            continue;
        }
        /* End of file, or a read error: the command sees the end of its input. */
        s->input_open = false;
        if (agent_link_send(&s->link, FRAME_STDIN_EOF, NULL, 0, &s->error) < 0)
            phase_fail(s);
    }
}

/* ---------------------------------------------------------------- control */

static int send_signal(struct supervisor *s, int number, lrun_error *err)
{
    cleanup_buffer struct buffer fields;
    buffer_init(&fields, FRAME_AGENT_MAX);
    return fields_add_u64(&fields, "signal", (uint64_t)number)
               ? agent_link_send(&s->link, FRAME_SIGNAL, buffer_data(&fields),
                                 buffer_length(&fields), err)
               : error_oom(err, "signal");
}

/* Returns 0 when it is done, or 1 if phase_on_paused() follows. */
static int begin_pause(struct supervisor *s, bool on, lrun_error *err)
{
    int rc = s->sandbox->engine->pause(s->sandbox, on, err);
    if (rc == 0)
        s->paused = on;
    s->pause_unsure = false;
    s->pause_to = on;
    return rc;
}

static int control_stop(struct supervisor *s, const json_t *request, lrun_error *err)
{
    json_int_t number = SIGTERM, grace = STOP_GRACE;
    json_t *document = json_copy((json_t *)(uintptr_t)request);
    int bad = json_unpack(document, "{s?I,s?I}", "signal", &number, "grace", &grace);
    json_decref(document);
    if (bad || number < 1 || number >= NSIG || grace < 0 || grace > CONTROL_GRACE_MAX_MS)
        return error_set(err, LRUN_INVALID_ARGUMENT, "control.stop",
                         "signal: 1 to %d; grace: 0 to %d ms", NSIG - 1, CONTROL_GRACE_MAX_MS);
    /* Before and after the command, there is nothing that could be asked to end. */
    if (grace == 0 || s->phase != PHASE_RUN) {
        phase_cancel(s);
        return 0;
    }
    if (s->paused && s->sandbox->pausing < 0 && begin_pause(s, false, err) < 0)
        return -1;
    if (send_signal(s, (int)number, err) < 0)
        return -1;
    s->result.cancelled = true;
    if (!s->stopping || clock_ms() + grace < s->kill_at)
        s->kill_at = clock_ms() + grace;
    s->stopping = true;
    return 0;
}

static int control_cancel(struct supervisor *s, const json_t *request, lrun_error *err)
{
    (void)request;
    (void)err;
    phase_cancel(s);
    return 0;
}

static int set_paused(struct supervisor *s, bool on, lrun_error *err)
{
    if (s->phase != PHASE_RUN || s->killing)
        return error_set(err, LRUN_INVALID_ARGUMENT, on ? "control.pause" : "control.resume",
                         "the command is not running");
    if (s->sandbox->pausing >= 0) {
        error_set(err, LRUN_INVALID_ARGUMENT, on ? "control.pause" : "control.resume",
                  "another pause or resume is under way");
        return error_hint(err, "wait for its answer");
    }
    return s->paused == on && !s->pause_unsure ? 0 : begin_pause(s, on, err);
}

void phase_on_paused(struct supervisor *s)
{
    lrun_error e = {0};
    int rc = s->sandbox->engine->paused(s->sandbox, &e);
    if (rc == 0)
        s->paused = s->pause_to;
    s->pause_unsure = rc < 0;
    answer_later(s, rc < 0 ? &e : NULL);
    /* A command that was told to end must be able to. If resuming fails, the grace still has an
     * end. */
    lrun_error ignored;
    if ((s->stopping || s->killing) && s->paused)
        begin_pause(s, false, &ignored);
}

static int control_pause(struct supervisor *s, const json_t *request, lrun_error *err)
{
    (void)request;
    return set_paused(s, true, err);
}

static int control_resume(struct supervisor *s, const json_t *request, lrun_error *err)
{
    (void)request;
    return set_paused(s, false, err);
}

int phase_control(void *user, const struct frame *f, lrun_error *err)
{
    static const struct {
        const char *name;
        int (*act)(struct supervisor *s, const json_t *request, lrun_error *err);
    } actions[] = {
        {"stop", control_stop},
        {"cancel", control_cancel},
        {"pause", control_pause},
        {"resume", control_resume},
    };
    json_t *document = json_loadb(f->payload, f->length, JSON_REJECT_DUPLICATES, NULL);
    const char *name = json_string_value(json_object_get(document, "action"));
    int rc = error_set(err, LRUN_INVALID_ARGUMENT, "control", "unknown action");
    for (size_t i = 0; name && i < sizeof(actions) / sizeof(actions[0]); i++)
        if (strcmp(actions[i].name, name) == 0)
            rc = actions[i].act(user, document, err);
    json_decref(document);
    return rc;
}

/* ---------------------------------------------------------------- its time */

void phase_time_is_up(struct supervisor *s, bool of_cpu)
{
    if (of_cpu)
        s->result.cpu_timed_out = true;
    else
        s->result.timed_out = true;
    s->cpu_look_at = IO_NO_DEADLINE;
    if (!wants_files_anyway(s)) {
        phase_killed(s);
        return;
    }
    /* The agent kills the command and everything that it left behind. A frozen process would not
     * die. */
    lrun_error e = {0};
    s->killing = true;
    s->input_open = false;
    s->deadline = clock_ms() + KILLED_TIMEOUT;
    if ((s->paused && s->sandbox->pausing < 0 && begin_pause(s, false, &e) < 0) ||
        send_signal(s, SIGKILL, &e) < 0) {
        phase_lose_files(s, e.message);
        phase_killed(s);
    }
}

/* Returns how many processors the run can use at the same time. */
static double processors(const struct supervisor *s)
{
    double all = (double)sysconf(_SC_NPROCESSORS_ONLN), cpus = s->request->cpus;
    bool held = !(s->sandbox->unenforced & CGROUP_CPUS);
    return held && cpus < all ? cpus : all;
}

void phase_look_at_cpu(struct supervisor *s)
{
    uint64_t used, limit = s->request->cpu_timeout_ms * 1000;
    double wait = CPU_LOOK_MIN;
    /* It cannot be read once the sandbox is gone. Other events tell us about that. */
    if (s->sandbox->engine->cpu_used(s->sandbox, &used) == 0) {
        used -= used < s->cpu_before ? used : s->cpu_before;
        if (used >= limit) {
            phase_time_is_up(s, true);
            return;
        }
        wait = (double)(limit - used) / 1000 / processors(s) - CPU_LOOK_PERIOD;
    }
    s->cpu_look_at = clock_ms() + (int64_t)(wait < CPU_LOOK_MIN   ? CPU_LOOK_MIN
                                            : wait > CPU_LOOK_MAX ? CPU_LOOK_MAX
                                                                  : wait);
}

/* ---------------------------------------------------------------- COLLECT */

/* Limited, because whoever takes the agent over could compute while we collect. */
static int64_t collect_timeout(const struct request *r)
{
    if (r->timeout_ms > COLLECT_TIMEOUT)
        return COLLECT_TIMEOUT;
    return r->timeout_ms < COLLECT_TIMEOUT_MIN ? COLLECT_TIMEOUT_MIN : (int64_t)r->timeout_ms;
}

static void start_collecting(struct supervisor *s)
{
    hold_at("collect");
    s->phase = PHASE_COLLECT;
    s->deadline = clock_ms() + STALL_TIMEOUT;
    s->phase_deadline = clock_ms() + collect_timeout(s->request);
    bool done = true;
    if (extraction_init(&s->extraction, s->request, s->umask, &s->error) < 0 ||
        extraction_next(&s->extraction, &s->link, &done, &s->error) < 0)
        phase_fail(s);
    else if (done)
        phase_end(s);
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
    s->kill_at = s->cpu_look_at = IO_NO_DEADLINE;
    if (s->killing) {
        s->result.exit_code = 128 + SIGKILL;
        s->result.signal = SIGKILL;
    }
    if (wants_files_anyway(s) || (code == 0 && s->request->has_extract && !s->result.cancelled))
        start_collecting(s);
    else
        phase_end(s);
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
            phase_fail(s);
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
    lrun_error local = {0};
    if (extraction_frame(&s->extraction, f, &local) < 0) {
        extraction_abort(&s->extraction, local.message);
        phase_end(s);
    } else if (s->extraction.at != before) {
        if (extraction_next(&s->extraction, &s->link, &done, &s->error) < 0)
            phase_fail(s);
        else if (done)
            phase_end(s);
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
        if (f->type == FRAME_HELLO && !s->heard)
            on_hello(s, f);
        else if (f->type == FRAME_WALLS && s->heard && !s->result.isolation.verified)
            on_walls(s, f);
        else
            fail_protocol(s, "an unexpected frame before it was told to prepare");
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

void phase_take_frames(struct supervisor *s)
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

/*
 * gVisor's kernel does not protect PID 1 from root inside: a command that kills PID 1 at once can
 * be faster than the agent's RUNNING frame. Treat the command as started, except in a detached run:
 * its caller is promised that frame, and gets an error without it.
 */
static bool may_have_run(const struct supervisor *s)
{
    return s->ordered && s->sandbox->may_end_first && !s->request->detached;
}

/* A VM's kernel reports on its console when it cannot continue. That is not the end of a
 * program. */
static bool has_panicked(struct supervisor *s)
{
    const char *panic = s->sandbox->has_console ? strstr(s->sandbox->said, "Kernel panic") : NULL;
    char said[SAID_SIZE];
    if (!panic)
        return false;
    error_set(&s->error, s->running ? LRUN_ISOLATION_FAILED : LRUN_START_FAILED, "guest.kernel",
              "the VM's kernel has failed%s", first_line(said, panic));
    return true;
}

void phase_on_agent_gone(struct supervisor *s)
{
    if (s->phase == PHASE_END)
        return;
    if (s->phase == PHASE_COLLECT) {
        extraction_abort(&s->extraction, "the sandbox ended during the extraction");
        phase_end(s);
    } else if (has_panicked(s)) {
        phase_fail(s);
    } else if (s->running || may_have_run(s)) {
        /* Everything in it was killed: by the OOM killer, or from outside. finish() tells which. */
        phase_lose_files(s, "the sandbox ended before its files could be extracted");
        phase_killed(s);
    } else {
        char said[SAID_SIZE];
        error_set(&s->error, LRUN_START_FAILED, "runtime.start",
                  "the sandbox ended before the command was started%s",
                  first_line(said, s->sandbox->said));
        sandbox_explain(s->sandbox, s->request->runtime, &s->error);
        phase_fail(s);
    }
}
