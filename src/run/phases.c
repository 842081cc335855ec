/* SPDX-License-Identifier: MIT */
#include "run/phases.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "run/evidence.h"
#include "run/hold.h"
#include "run/outcome.h"
#include "run/session.h"
#include "run/session_files.h"
#include "wire/state.h"
#include "wire/supervisor_fds.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* ---------------------------------------------------------------- START */

static int send_fields(struct supervisor *s, enum frame_type type, uint16_t command,
                       struct buffer *fields)
{
    return agent_link_send(&s->link, type, command, buffer_data(fields), buffer_length(fields),
                           &s->error);
}

static int send_confine(struct supervisor *s)
{
    cleanup_buffer struct buffer fields;
    buffer_init(&fields, FRAME_AGENT_MAX);
    if (!fields_add_u64(&fields, "pids", s->sandbox->pids) ||
        !fields_add_u64(&fields, "memory", s->request->memory_bytes) ||
        !fields_add_u64(&fields, "cpu_us", s->sandbox->cpu_us))
        return error_oom(&s->error, "agent.confine");
    return send_fields(s, FRAME_CONFINE, FRAME_SANDBOX, &fields);
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
    if (s->sandbox->filter &&
        agent_link_send(&s->link, FRAME_FILTER, FRAME_SANDBOX, s->sandbox->filter,
                        s->sandbox->filter_length, &s->error) < 0)
        return -1;
    return agent_link_send(&s->link, FRAME_INSPECT, FRAME_SANDBOX, NULL, 0, &s->error);
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
    return send_fields(s, FRAME_PREPARE, FRAME_SANDBOX, &fields);
}

/* All files have been sent. A session without any sends the end of none, as the answer tells that
 * the sandbox is ready. */
static int after_seed(struct supervisor *s)
{
    if (!life_is_session(s))
        return command_start(&s->command, &s->link, s->sandbox, &s->error);
    return s->request->dir
               ? 0
               : agent_link_send(&s->link, FRAME_ENTRIES_END, FRAME_SANDBOX, NULL, 0, &s->error);
}

static void begin_seed(struct supervisor *s)
{
    s->phase = PHASE_SEED;
    s->deadline = clock_ms() + STALL_TIMEOUT;
    if (send_prepare(s) < 0 || (s->seed_done && after_seed(s) < 0))
        life_fail(s);
}

/* Goes on to SEED once the evidence has been checked and the network is up. */
static void leave_start(struct supervisor *s)
{
    if (!s->result.isolation.verified || s->sandbox->network >= 0)
        return;
    if (s->reserved) {
        s->phase = PHASE_RESERVED;
        s->deadline = IO_NO_DEADLINE;
        outcome_describe(s);
        if (session_send_ready(s) < 0)
            life_fail(s);
        return;
    }
    begin_seed(s);
}

/* From now on the reserved sandbox is that of a run. What was fixed when it was made stays as it is:
 * the library reserves a sandbox for requests that agree about it. */
int phase_take_order(struct supervisor *s, const struct frame *f, lrun_error *err)
{
    static const char operation[] = "supervisor.request";
    struct run_order *late = &s->late;
    if (s->phase != PHASE_RESERVED || late->id)
        return error_set(err, LRUN_INTERNAL, operation, "no order is expected");
    if (order_parse(late, f->payload, f->length, err) < 0)
        return -1;
    if (strcmp(late->id, s->id) != 0 || late->idle_ms || late->commit || late->request.detached)
        return error_set(err, LRUN_INTERNAL, operation, "this sandbox is not for such an order");
    const struct sandbox_spec spec = sandbox_spec_of(&late->request, s->id, false);
    char *image = s->effective.image, *workdir;
    if (late->request.dir && seed_open(&s->seed, &late->request, FRAME_SANDBOX, err) < 0)
        return -1;
    if (sandbox_spec_workdir(&workdir, &spec, &s->sandbox->image, err) < 0)
        return -1;
    s->workdir_unnamed = !sandbox_spec_named_workdir(&spec, &s->sandbox->image);
    free(s->workdir);
    s->workdir = workdir;
    s->effective = late->request;
    s->effective.image = image;
    s->effective.workdir = workdir;
    s->seed_done = late->request.dir == NULL;
    s->began = s->prepared = clock_us();
    s->result.timings.warm = true;
    if (s->caller.passed >= 0)
        s->command.input = steal_fd(&s->caller.passed);
    output_limit(&s->caller.output, late->logs, late->request.max_log_bytes);
    begin_seed(s);
    return 0;
}

static bool is_good(struct supervisor *s, enum evidence evidence, const char *frame)
{
    if (evidence == EVIDENCE_BROKEN)
        life_fail_protocol(s, frame);
    else if (evidence == EVIDENCE_BAD)
        life_fail(s);
    return evidence == EVIDENCE_GOOD;
}

/* The frames of another version may mean something else. */
static bool has_our_version(struct supervisor *s, const struct frame *hello)
{
    uint64_t version;
    if (!fields_get_u64(hello, "version", &version)) {
        life_fail_protocol(s, "HELLO without a version");
        return false;
    }
    if (version == FRAME_VERSION)
        return true;
    error_set(&s->error, LRUN_INTERNAL, "agent.version",
              "the supervisor speaks version %d of the agent's protocol, and the agent version "
              "%" PRIu64,
              FRAME_VERSION, version);
    error_hint(&s->error, "the programs are not of one version: install light-runner again");
    life_fail(s);
    return false;
}

static void on_hello(struct supervisor *s, const struct frame *f)
{
    s->heard = true;
    if (!has_our_version(s, f))
        return;
    if (!is_good(s, evidence_of_kernel(s, f), "HELLO"))
        return;
    if (send_walls(s) < 0) {
        life_fail(s);
        return;
    }
    /* The agent can work on the frames meanwhile. */
    agent_link_flush(&s->link);
    if (s->sandbox->ops->ready)
        s->sandbox->ops->ready(s->sandbox);
    uint64_t used;
    if (!s->request->cpu_timeout_ms || s->sandbox->ops->cpu_used(s->sandbox, &used) == 0)
        return;
    error_set(
        &s->error, LRUN_NOT_SUPPORTED, "cpu.read",
        "cpuTimeout: nothing counts the CPU time of a run in the tier '%s' on the engine '%s' here",
        s->sandbox->tier->name, s->engine->ops->name);
    error_hint(&s->error, "leave out --cpu-timeout; or see what works here: light-runner doctor");
    life_fail(s);
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
    life_fail(s);
}

/* ---------------------------------------------------------------- SEED */

void phase_fill_seed(struct supervisor *s)
{
    bool copy = s->session.copy != NULL;
    bool failed = seed_fill(s->seed, &s->link.out, QUEUE_ENOUGH, &s->seed_done, &s->error) < 0;
    if (failed && copy) {
        lrun_error e = {0};
        s->seed_done = true;
        if (seed_break_off(s->seed, &s->link.out, &e) < 0) {
            s->error = e;
            life_fail(s);
            return;
        }
    } else if (failed || (s->seed_done && !copy && after_seed(s) < 0)) {
        life_fail(s);
        return;
    }
    if (copy && s->seed_done)
        session_files_read_all(s);
}

/* Without a state there is no detached run. The caller is still there to get the error. */
static int make_state(struct supervisor *s, const char *log)
{
    s->state = state_begin(s->id, s->request);
    if (s->state && life_is_session(s))
        state_add_session(s->state, s->session.idle_ms, &s->result);
    if (s->state && state_write(s->state_dir, s->state, &s->error) == 0)
        return 0;
    if (!s->state)
        error_oom(&s->error, "state");
    json_decref(s->state);
    s->state = NULL;
    if (log)
        unlinkat(s->state_dir, log, 0);
    return -1;
}

/* From now on the run has a state and is controlled through its socket; its caller may go. */
static int begin_state(struct supervisor *s)
{
    if (!s->request->detached)
        return 0;
    if (state_open_dir(&s->state_dir, true, &s->error) < 0 ||
        control_open(&s->control, s->state_dir, s->id, &s->error) < 0)
        return -1;
    char name[64] = "";
    if (life_is_session(s))
        return make_state(s, NULL);
    snprintf(name, sizeof(name), "%s.log", s->id);
    s->caller.output.log = openat(
        s->state_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->caller.output.log < 0)
        return error_errno(&s->error, LRUN_IO_FAILED, "state", errno, "cannot make '%s'", name);
    return make_state(s, name);
}

static void on_running(struct supervisor *s)
{
    command_begin(&s->command);
    if (s->sandbox->ops->running)
        s->sandbox->ops->running(s->sandbox);
    s->phase = PHASE_RUN;
    s->deadline = IO_NO_DEADLINE;
    if (s->request->cpu_timeout_ms && s->sandbox->ops->cpu_used(s->sandbox, &s->cpu_before) == 0)
        phase_look_at_cpu(s);
    if (begin_state(s) < 0 ||
        output_frame(&s->caller.output, FRAME_STARTED, FRAME_COMMAND, "{}", 2, &s->error) < 0)
        life_fail(s);
    hold_at("run");
}

/* The agent could not do what it was told. Once a command runs, nothing can fail but the agent: the
 * command did start. */
static void on_failed(struct supervisor *s, const struct frame *f)
{
    if (life_has_run(s) || !life_take_failure(f, &s->error))
        life_fail_protocol(s, "FAILED");
    else
        life_fail(s);
}

/* The session's sandbox is as it was ordered. */
static void on_seeded(struct supervisor *s)
{
    s->phase = PHASE_RUN;
    s->deadline = s->began / 1000 + (int64_t)s->request->timeout_ms;
    if (s->sandbox->ops->running)
        s->sandbox->ops->running(s->sandbox);
    outcome_describe(s);
    life_end_copy(s);
    if (s->request->cpu_timeout_ms && s->sandbox->ops->cpu_used(s->sandbox, &s->cpu_before) == 0)
        phase_look_at_cpu(s);
    if (begin_state(s) < 0 || session_begin(s) < 0)
        life_fail(s);
}

/* ---------------------------------------------------------------- RUN */

void phase_feed_input(struct supervisor *s)
{
    if (command_feed(&s->command, &s->link, &s->error) < 0)
        life_fail(s);
}

/* ---------------------------------------------------------------- control */

static int control_stop(struct supervisor *s, const struct caller_order *o, lrun_error *err)
{
    if (life_is_session(s) && s->phase == PHASE_RUN)
        return session_stop(s, o->signal, o->grace, err);
    /* Before and after the command, there is nothing that could be asked to end. */
    if (o->grace == 0 || s->phase != PHASE_RUN) {
        life_cancel(s);
        return 0;
    }
    if (life_thaw(s, err) < 0)
        return -1;
    struct command *c = &s->command;
    if (command_signal(c, &s->link, o->signal, err) < 0)
        return -1;
    s->result.cancelled = true;
    if (!c->stopping || clock_ms() + o->grace < c->kill_at)
        c->kill_at = clock_ms() + o->grace;
    c->stopping = true;
    return 0;
}

static int control_cancel(struct supervisor *s, const struct caller_order *o, lrun_error *err)
{
    (void)o;
    (void)err;
    life_cancel(s);
    return 0;
}

static int set_paused(struct supervisor *s, bool on, lrun_error *err)
{
    if (s->phase != PHASE_RUN || s->command.killing)
        return error_set(err, LRUN_INVALID_ARGUMENT, on ? "control.pause" : "control.resume",
                         "the command is not running");
    if (s->sandbox->pausing >= 0) {
        error_set(err, LRUN_INVALID_ARGUMENT, on ? "control.pause" : "control.resume",
                  "another pause or resume is under way");
        return error_hint(err, "wait for its answer");
    }
    return s->paused == on && !s->pause_unsure ? 0 : life_pause(s, on, err);
}

void phase_on_paused(struct supervisor *s)
{
    lrun_error e = {0};
    int rc = s->sandbox->ops->paused(s->sandbox, &e);
    if (rc == 0)
        s->paused = s->pause_to;
    s->pause_unsure = rc < 0;
    life_answer_later(s, rc < 0 ? &e : NULL);
    /* A command that was told to end must be able to. If resuming fails, the grace still has an
     * end. */
    lrun_error ignored;
    bool ends = s->command.stopping || s->command.killing || session_ends_one(s);
    if (ends && s->paused)
        life_pause(s, false, &ignored);
}

static int control_pause(struct supervisor *s, const struct caller_order *o, lrun_error *err)
{
    (void)o;
    return set_paused(s, true, err);
}

static int control_resume(struct supervisor *s, const struct caller_order *o, lrun_error *err)
{
    (void)o;
    return set_paused(s, false, err);
}

static int control_end(struct supervisor *s, const struct caller_order *o, lrun_error *err)
{
    (void)o;
    if (!life_is_session(s))
        return error_set(err, LRUN_INVALID_ARGUMENT, "control", "this is a run, not a session");
    life_end(s);
    return 0;
}

static int control_resize(struct supervisor *s, const struct caller_order *o, lrun_error *err)
{
    if (life_is_session(s) || !s->request->tty)
        return error_set(err, LRUN_INVALID_ARGUMENT, "control.resize", "there is no terminal");
    s->effective.tty_rows = o->rows;
    s->effective.tty_columns = o->columns;
    return command_resize(&s->command, &s->link, o->rows, o->columns, err);
}

int phase_control(void *user, const struct frame *f, lrun_error *err)
{
    static const struct {
        const char *name;
        int (*act)(struct supervisor *s, const struct caller_order *o, lrun_error *err);
    } actions[] = {
        {"stop", control_stop},     {"cancel", control_cancel}, {"pause", control_pause},
        {"resume", control_resume}, {"close", control_end},     {"resize", control_resize},
    };
    struct caller_order o;
    if (caller_read_order(&o, f, err) < 0)
        return -1;
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        if (strcmp(actions[i].name, o.action) == 0)
            return actions[i].act(user, &o, err);
    return error_set(err, LRUN_INVALID_ARGUMENT, "control", "unknown action");
}

/* ---------------------------------------------------------------- its time */

void phase_time_is_up(struct supervisor *s, bool of_cpu)
{
    if (of_cpu)
        s->result.cpu_timed_out = true;
    else
        s->result.timed_out = true;
    s->cpu_look_at = IO_NO_DEADLINE;
    if (!life_wants_files(s)) {
        life_killed(s);
        return;
    }
    /* The agent kills the command and everything that it left behind. A frozen process would not
     * die. */
    lrun_error e = {0};
    struct command *c = &s->command;
    c->killing = true;
    c->input_open = false;
    c->deadline = clock_ms() + KILLED_TIMEOUT;
    if ((s->paused && s->sandbox->pausing < 0 && life_pause(s, false, &e) < 0) ||
        command_signal(c, &s->link, SIGKILL, &e) < 0) {
        life_lose_files(s, e.message);
        life_killed(s);
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
    if (s->sandbox->ops->cpu_used(s->sandbox, &used) == 0) {
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
        life_fail(s);
    else if (done)
        life_end(s);
}

static void on_command_end(struct supervisor *s, const struct frame *f)
{
    if (!command_end(&s->command, f)) {
        life_fail_protocol(s, "EXIT");
        return;
    }
    s->cpu_look_at = IO_NO_DEADLINE;
    if (life_wants_files(s) ||
        (s->result.exit_code == 0 && s->request->has_extract && !s->result.cancelled))
        start_collecting(s);
    else
        life_end(s);
}

/* ---------------------------------------------------------------- frames of the agent */

static void on_run_frame(struct supervisor *s, const struct frame *f)
{
    switch (f->type) {
    case FRAME_STDOUT:
    case FRAME_STDERR:
        if (output_log(&s->caller.output,
                       f->type == FRAME_STDOUT ? FRAME_LOG_STDOUT : FRAME_LOG_STDERR, f->payload,
                       f->length, &s->error) < 0)
            life_fail(s);
        break;
    case FRAME_STDIN_CREDIT:
        if (!command_credit(&s->command, f))
            life_fail_protocol(s, "STDIN_CREDIT");
        break;
    case FRAME_EXIT:
        on_command_end(s, f);
        break;
    default:
        life_fail_protocol(s, "an unexpected frame while the command runs");
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
        life_end(s);
    } else if (s->extraction.at != before) {
        if (extraction_next(&s->extraction, &s->link, &done, &s->error) < 0)
            life_fail(s);
        else if (done)
            life_end(s);
    }
}

static bool is_raw(uint8_t type)
{
    return type == FRAME_STDOUT || type == FRAME_STDERR || type == FRAME_DATA;
}

static void on_frame(struct supervisor *s, const struct frame *f)
{
    if (!life_is_session(s) && f->command > FRAME_COMMAND) {
        life_fail_protocol(s, "a command that does not exist");
        return;
    }
    if (!is_raw(f->type) && !fields_valid(f)) {
        life_fail_protocol(s, "fields");
        return;
    }
    bool of_sandbox = !life_is_session(s) || f->command == FRAME_SANDBOX;
    if (f->type == FRAME_FAILED && of_sandbox && s->phase != PHASE_COLLECT) {
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
            life_fail_protocol(s, "an unexpected frame before it was told to prepare");
        break;
    case PHASE_RESERVED:
        life_fail_protocol(s, "an unexpected frame before it was told to prepare");
        break;
    case PHASE_SEED:
        if (f->type == FRAME_SEEDED && s->seed_done && life_is_session(s))
            on_seeded(s);
        else if (f->type == FRAME_RUNNING && s->seed_done && !life_is_session(s))
            on_running(s);
        else if (f->type != FRAME_SEEDED)
            life_fail_protocol(s, "an unexpected frame before the command runs");
        break;
    case PHASE_RUN:
        (life_is_session(s) ? session_frame : on_run_frame)(s, f);
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
            life_fail_protocol(s, "not a frame");
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
    return s->command.state >= COMMAND_ORDERED && s->sandbox->may_end_first &&
           !s->request->detached;
}

/* A VM's kernel reports on its console when it cannot continue. That is not the end of a
 * program. */
static bool has_panicked(struct supervisor *s)
{
    const char *panic = s->sandbox->has_console ? strstr(s->sandbox->said, "Kernel panic") : NULL;
    char said[SAID_SIZE];
    if (!panic)
        return false;
    error_set(&s->error, life_has_run(s) ? LRUN_ISOLATION_FAILED : LRUN_START_FAILED,
              "guest.kernel", "the VM's kernel has failed%s", first_line(said, panic));
    return true;
}

void phase_on_agent_gone(struct supervisor *s)
{
    if (s->phase == PHASE_END)
        return;
    if (s->phase == PHASE_COLLECT) {
        extraction_abort(&s->extraction, "the sandbox ended during the extraction");
        life_end(s);
    } else if (has_panicked(s)) {
        life_fail(s);
    } else if (s->command.running || s->session.ready || may_have_run(s)) {
        /* Everything in it was killed: by the OOM killer, or from outside. finish() tells which. */
        s->lost = true;
        life_lose_files(s, "the sandbox ended before its files could be extracted");
        life_killed(s);
    } else {
        char said[SAID_SIZE];
        error_set(&s->error, LRUN_START_FAILED, "runtime.start",
                  "the sandbox ended before the command was started%s",
                  first_line(said, s->sandbox->said));
        sandbox_explain(s->sandbox, s->request->runtime, &s->error);
        life_fail(s);
    }
}
