/* SPDX-License-Identifier: MIT */
#include "run/session.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "run/session_files.h"
#include "json/error_json.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>

/* ms. How long all answers together may take when the session ends. */
enum { FAREWELL_TIMEOUT = 2000 };

void session_init(struct session *x, uint64_t idle_ms)
{
    *x = (struct session){.idle_ms = idle_ms, .idle_at = IO_NO_DEADLINE, .stop_at = IO_NO_DEADLINE};
}

static bool is_command(const struct session_task *t)
{
    return t->known && t->task.kind == TASK_EXEC;
}

static bool is_going(const struct session_task *t)
{
    return is_command(t) && !t->answered && t->command.state != COMMAND_WAITING;
}

static struct session_task *find(const struct session *x, uint16_t number)
{
    for (size_t i = 0; i < x->count; i++)
        if (is_command(x->tasks[i]) && x->tasks[i]->command.number == number)
            return x->tasks[i];
    return NULL;
}

static size_t count_commands(const struct session *x)
{
    size_t count = 0;
    for (size_t i = 0; i < x->count; i++)
        count += is_command(x->tasks[i]) && !x->tasks[i]->answered;
    return count;
}

static void task_drop(struct session_task *t)
{
    caller_free(&t->caller);
    cleanup_close_fd(&t->command.input);
    cleanup_close_fd(&t->socket);
    file_operation_free(&t->file);
    task_free(&t->task);
    free(t);
}

/* A session is idle while it has no task without an answer. */
static void look_at_idle(struct session *x)
{
    for (size_t i = 0; i < x->count; i++)
        if (x->tasks[i]->known && !x->tasks[i]->answered) {
            x->idle_at = IO_NO_DEADLINE;
            return;
        }
    if (x->idle_at == IO_NO_DEADLINE)
        x->idle_at = clock_ms() + (int64_t)x->idle_ms;
}

/* ---------------------------------------------------------------- answers */

void session_task_send(struct session_task *t, enum frame_type type, const char *text)
{
    if (text)
        output_frame(&t->caller.output, type, FRAME_SANDBOX, text, strlen(text), NULL);
    t->answered = true;
    t->deadline = clock_ms() + RESULT_TIMEOUT;
    cleanup_close_fd(&t->command.input);
    t->command.input_open = false;
}

void session_task_refuse(struct session_task *t, const lrun_error *e)
{
    json_t *document = error_to_json(e);
    cleanup_free char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
    json_decref(document);
    session_task_send(t, FRAME_ERROR, text);
}

void session_task_answer(struct supervisor *s, struct session_task *t)
{
    struct run_result *r = &t->result;
    const struct command *c = &t->command;
    bool command = t->task.kind == TASK_EXEC;
    int64_t now = clock_us();
    r->id = r->session = s->id;
    r->success = r->exit_code == 0 && !r->cancelled && !r->timed_out;
    r->duration_ms = (uint64_t)(now - t->began) / 1000;
    r->timeout_ms = command ? t->task.request.timeout_ms : 0;
    r->log_truncated = t->caller.output.truncated;
    r->isolation = s->result.isolation;
    if (command && c->running) {
        r->timings.start_ms = (double)(c->running - t->began) / 1000;
        r->timings.run_ms = (double)((c->ended ? c->ended : now) - c->running) / 1000;
    }
    json_t *document = result_to_json(r);
    cleanup_free char *text = document ? json_dumps(document, JSON_COMPACT) : NULL;
    json_decref(document);
    session_task_send(t, FRAME_RESULT, text);
}

/* ---------------------------------------------------------------- commands */

static uint64_t oom_kills(const struct supervisor *s)
{
    uint64_t count = 0;
    const struct sandbox_ops *ops = s->sandbox->ops;
    return ops->oom_kills && ops->oom_kills(s->sandbox, &count) == 0 ? count : 0;
}

static void take_usage(struct run_result *r, const struct frame *f)
{
    uint64_t user = 0, system = 0, peak = 0;
    (void)fields_get_u64(f, "user_us", &user);
    (void)fields_get_u64(f, "system_us", &system);
    (void)fields_get_u64(f, "peak_rss_kb", &peak);
    /* The agent may be anybody's by now: numbers that no command can have are not passed on. */
    enum { HOURS = 1 << 20 };
    const uint64_t most = HOURS * 3600ull * 1000000;
    user = user < most ? user : most;
    system = system < most ? system : most;
    peak = peak < (UINT64_C(1) << 40) ? peak : UINT64_C(1) << 40;
    r->usage = (lrun_usage){.cpu_ms = (user + system) / 1000,
                            .user_ms = user / 1000,
                            .system_ms = system / 1000,
                            .peak_memory_bytes = peak * 1024};
}

/* Kills what came from the command, and nothing else. */
static void kill_command(struct supervisor *s, struct session_task *t)
{
    struct command *c = &t->command;
    if (c->killing)
        return;
    c->killing = true;
    c->input_open = false;
    c->kill_at = IO_NO_DEADLINE;
    c->deadline = clock_ms() + KILLED_TIMEOUT;
    if (life_thaw(s, &s->error) < 0 ||
        agent_link_send(&s->link, FRAME_KILL, c->number, NULL, 0, &s->error) < 0)
        life_fail(s);
}

static void cancel_command(struct supervisor *s, struct session_task *t)
{
    t->result.cancelled = true;
    if (is_going(t)) {
        kill_command(s, t);
        return;
    }
    t->result.exit_code = 128 + SIGKILL;
    t->result.signal = SIGKILL;
    session_task_answer(s, t);
}

static void start_command(struct supervisor *s, struct session_task *t)
{
    lrun_error e = {0};
    t->oom_kills = oom_kills(s);
    if (s->session.last == UINT16_MAX) {
        error_set(&e, LRUN_NOT_SUPPORTED, "session.run",
                  "the session has executed %d commands, which is the limit", UINT16_MAX);
        error_hint(&e, "open another session");
        session_task_refuse(t, &e);
        return;
    }
    t->command.number = ++s->session.last;
    t->command.user = t->task.user;
    if (command_start(&t->command, &s->link, s->sandbox, &e) < 0)
        session_task_refuse(t, &e);
}

/* No command can be started in the middle of files that are copied in. */
void session_task_start_waiting(struct supervisor *s)
{
    struct session *x = &s->session;
    for (size_t i = 0; i < x->count && !session_files_copy_in(s); i++) {
        struct session_task *t = x->tasks[i];
        if (is_command(t) && !t->answered && t->command.state == COMMAND_WAITING)
            start_command(s, t);
    }
}

static void on_command_end(struct supervisor *s, struct session_task *t, const struct frame *f)
{
    struct run_result *r = &t->result;
    if (!command_end(&t->command, f)) {
        life_fail_protocol(s, "EXIT");
        return;
    }
    take_usage(r, f);
    r->oom_killed =
        r->exit_code != 0 && !r->cancelled && !r->timed_out && oom_kills(s) > t->oom_kills;
    session_task_answer(s, t);
    if (s->session.stop_at != IO_NO_DEADLINE && count_commands(&s->session) == 0)
        life_cancel(s);
}

static void on_failed(struct supervisor *s, struct session_task *t, const struct frame *f)
{
    lrun_error e = {0};
    if (!life_take_failure(f, &e)) {
        life_fail_protocol(s, "FAILED");
        return;
    }
    snprintf(e.id, sizeof(e.id), "%s", s->id);
    t->command.state = COMMAND_ENDED;
    if (t->result.cancelled || t->result.timed_out) {
        t->result.exit_code = 128 + SIGKILL;
        t->result.signal = SIGKILL;
        session_task_answer(s, t);
        return;
    }
    session_task_refuse(t, &e);
}

static void command_frame(struct supervisor *s, struct session_task *t, const struct frame *f)
{
    struct command *c = &t->command;
    bool runs = c->state == COMMAND_RUNNING, ordered = c->state == COMMAND_ORDERED;
    if (ordered && f->type == FRAME_FAILED) {
        on_failed(s, t, f);
    } else if (ordered && f->type == FRAME_RUNNING) {
        int64_t deadline = c->deadline;
        command_begin(c);
        if (c->killing)
            c->deadline = deadline;
        else if (!c->input_open &&
                 agent_link_send(&s->link, FRAME_STDIN_EOF, c->number, NULL, 0, &s->error) < 0)
            life_fail(s);
        output_frame(&t->caller.output, FRAME_STARTED, FRAME_COMMAND, "{}", 2, NULL);
    } else if (runs && (f->type == FRAME_STDOUT || f->type == FRAME_STDERR)) {
        /* What this caller does not read is its own loss. */
        lrun_error e = {0};
        if (output_log(&t->caller.output,
                       f->type == FRAME_STDOUT ? FRAME_LOG_STDOUT : FRAME_LOG_STDERR, f->payload,
                       f->length, &e) < 0 &&
            !t->caller.gone) {
            session_task_refuse(t, &e);
            kill_command(s, t);
        }
    } else if (runs && f->type == FRAME_STDIN_CREDIT) {
        if (!command_credit(c, f))
            life_fail_protocol(s, "STDIN_CREDIT");
    } else if (runs && f->type == FRAME_EXIT) {
        on_command_end(s, t, f);
    } else {
        life_fail_protocol(s, "an unexpected frame about a command");
    }
}

void session_frame(struct supervisor *s, const struct frame *f)
{
    if (session_files_are_meant(f)) {
        session_files_frame(s, f);
        return;
    }
    struct session_task *t = find(&s->session, f->command);
    /* A command that was answered early, because its output could not be kept, still ends. */
    if (t && t->answered && t->command.killing && t->command.state == COMMAND_RUNNING) {
        if (f->type == FRAME_EXIT)
            t->command.state = COMMAND_ENDED;
        return;
    }
    if (!t || t->answered)
        life_fail_protocol(s, "a command that does not exist");
    else
        command_frame(s, t, f);
}

/* ---------------------------------------------------------------- connections */

static int refuse_more(lrun_error *err)
{
    error_set(err, LRUN_NOT_SUPPORTED, "session.run",
              "%d commands are running, or as many copies wait: that is the limit",
              SESSION_COMMANDS_MAX);
    return error_hint(err, "wait for the end of one");
}

void session_connect(struct supervisor *s, int fd, const struct buffer *said, int passed)
{
    struct session *x = &s->session;
    struct session_task *t = calloc(1, sizeof(*t));
    if (!t) {
        close(fd);
        if (passed >= 0)
            close(passed);
        return;
    }
    t->socket = fd;
    t->began = clock_us();
    t->command.input = -1;
    t->deadline = clock_ms() + REQUEST_TIMEOUT;
    caller_init(&t->caller, fd, true, 0);
    buffer_init(&t->caller.said, FRAME_CALLER_MAX + FRAME_HEADER_SIZE);
    t->caller.passed = passed;
    if (said)
        buffer_append(&t->caller.said, buffer_data(said), buffer_length(said));
    if (x->count == SESSION_TASKS_MAX) {
        lrun_error e = {0};
        refuse_more(&e);
        session_task_refuse(t, &e);
        task_drop(t);
        return;
    }
    x->tasks[x->count++] = t;
    if (said)
        session_take(s, t);
}

static int kind_of(uint8_t type)
{
    return type == FRAME_EXEC       ? TASK_EXEC
           : type == FRAME_COPY_IN  ? TASK_PUT
           : type == FRAME_COPY_OUT ? TASK_GET
           : type == FRAME_FILE     ? TASK_FILE
                                    : -1;
}

static int check_task(const struct supervisor *s, const struct session_task *t, lrun_error *err)
{
    static const char operation[] = "session.run";
    if (s->paused) {
        error_set(err, LRUN_INVALID_ARGUMENT, operation, "the session is paused");
        return error_hint(err, "resume it first");
    }
    if (s->session.stop_at != IO_NO_DEADLINE)
        return error_set(err, LRUN_INVALID_ARGUMENT, operation, "the session is being stopped");
    return is_command(t) && count_commands(&s->session) > SESSION_COMMANDS_MAX ? refuse_more(err)
                                                                               : 0;
}

static void begin_task(struct supervisor *s, struct session_task *t, const struct frame *f)
{
    lrun_error e = {0};
    t->known = true;
    if (task_parse(&t->task, (enum task_kind)kind_of(f->type), f->payload, f->length, &e) < 0 ||
        check_task(s, t, &e) < 0) {
        session_task_refuse(t, &e);
        return;
    }
    output_limit(&t->caller.output, t->task.logs, t->task.request.max_log_bytes);
    if (t->task.kind == TASK_EXEC) {
        command_init(&t->command, 0, &t->task.request, &t->caller, &t->result);
        t->command.alone = false;
        t->command.input = steal_fd(&t->caller.passed);
        session_task_start_waiting(s);
    } else {
        session_files_begin(s);
    }
    look_at_idle(&s->session);
}

static int stop_command(struct supervisor *s, struct session_task *t, int number, int64_t grace,
                        lrun_error *err)
{
    struct command *c = &t->command;
    if (!is_going(t) || grace == 0) {
        cancel_command(s, t);
        return 0;
    }
    if (life_thaw(s, err) < 0 || command_signal(c, &s->link, number, err) < 0)
        return -1;
    t->result.cancelled = true;
    if (!c->stopping || clock_ms() + grace < c->kill_at)
        c->kill_at = clock_ms() + grace;
    c->stopping = true;
    return 0;
}

static int control_task(struct supervisor *s, struct session_task *t, const struct frame *f,
                        lrun_error *err)
{
    struct caller_order o;
    if (caller_read_order(&o, f, err) < 0)
        return -1;
    bool cancel = strcmp(o.action, "cancel") == 0;
    if (is_command(t) && t->task.request.tty && strcmp(o.action, "resize") == 0) {
        t->task.request.tty_rows = o.rows;
        t->task.request.tty_columns = o.columns;
        return t->answered ? 0 : command_resize(&t->command, &s->link, o.rows, o.columns, err);
    }
    if (!is_command(t) || (!cancel && strcmp(o.action, "stop") != 0))
        return error_set(err, LRUN_INVALID_ARGUMENT, "control",
                         "a command of a session takes stop, cancel, and resize if it has a "
                         "terminal; the rest is the session's");
    if (t->answered)
        return 0;
    return stop_command(s, t, cancel ? SIGKILL : o.signal, cancel ? 0 : o.grace, err);
}

void session_take(struct supervisor *s, struct session_task *t)
{
    struct caller *c = &t->caller;
    struct frame f;
    enum frame_status status;
    while ((status = frame_peek(&c->said, t->known ? CALLER_FRAME_MAX : FRAME_CALLER_MAX, &f)) ==
           FRAME_OK) {
        lrun_error e = {0};
        if (!t->known && kind_of(f.type) >= 0)
            begin_task(s, t, &f);
        else if (t->known && f.type == FRAME_CONTROL)
            caller_answer(c, &f, control_task(s, t, &f, &e) < 0 ? &e : NULL);
        else
            break;
        frame_consume(&c->said, &f);
    }
    if (status != FRAME_PARTIAL)
        caller_leave(c);
}

/* Nobody waits for the task any more. */
static void on_gone(struct supervisor *s, struct session_task *t)
{
    if (!is_command(t) && t->known)
        session_files_gone(s, t);
    else if (is_command(t) && !t->answered && !t->result.cancelled)
        cancel_command(s, t);
}

static bool is_over(const struct session *x, const struct session_task *t)
{
    if (t == x->copy || t->operation ||
        (t->answered && is_command(t) && t->command.killing && t->command.state == COMMAND_RUNNING))
        return false;
    return t->known ? t->answered && !output_pending(&t->caller.output) : t->caller.gone;
}

static void drop_ended(struct session *x)
{
    for (size_t i = x->count; i-- > 0;) {
        if (!is_over(x, x->tasks[i]))
            continue;
        task_drop(x->tasks[i]);
        memmove(&x->tasks[i], &x->tasks[i + 1], (x->count - i - 1) * sizeof(x->tasks[0]));
        x->count--;
    }
    look_at_idle(x);
}

/* ---------------------------------------------------------------- the loop's part */

void session_poll(struct supervisor *s, struct pollfd *p)
{
    struct session *x = &s->session;
    x->polled = x->count;
    for (size_t i = 0; i < x->count; i++, p += SESSION_POLLS) {
        const struct session_task *t = x->tasks[i];
        bool input = is_command(t) && command_wants_input(&t->command, &s->link);
        p[0] = (struct pollfd){t->caller.gone ? -1 : t->socket, caller_events(&t->caller), 0};
        p[1] =
            (struct pollfd){input && t->command.input_pollable ? t->command.input : -1, POLLIN, 0};
    }
}

bool session_has_work(const struct supervisor *s)
{
    if (session_files_copy_in(s) || session_files_have_bytes(s))
        return true;
    for (size_t i = 0; i < s->session.count; i++) {
        const struct session_task *t = s->session.tasks[i];
        if (is_command(t) && !t->command.input_pollable &&
            command_wants_input(&t->command, &s->link))
            return true;
    }
    return false;
}

void session_turn(struct supervisor *s, const struct pollfd *p, bool progress)
{
    struct session *x = &s->session;
    if (progress)
        session_files_progress(s);
    for (size_t i = 0; i < x->polled && s->phase == PHASE_RUN; i++, p += SESSION_POLLS) {
        struct session_task *t = x->tasks[i];
        if (p[0].revents & POLLOUT)
            output_flush(&t->caller.output);
        if (p[0].revents & ~POLLOUT && caller_read(&t->caller))
            session_take(s, t);
        if (t->caller.gone)
            on_gone(s, t);
        if (is_command(t) && (p[1].revents || !t->command.input_pollable) &&
            command_feed(&t->command, &s->link, &s->error) < 0)
            life_fail(s);
    }
    session_files_begin(s);
    session_files_feed(s);
    drop_ended(x);
}

static int64_t task_deadline(const struct supervisor *s, const struct session_task *t)
{
    if (t->known && (t->operation || (!is_command(t) && !t->answered)))
        return session_files_deadline(s, t);
    return !t->known || t->answered ? t->deadline : command_deadline(&t->command);
}

int64_t session_deadline(const struct supervisor *s)
{
    const struct session *x = &s->session;
    int64_t next = x->idle_at < x->stop_at ? x->idle_at : x->stop_at;
    for (size_t i = 0; i < x->count; i++) {
        int64_t at = task_deadline(s, x->tasks[i]);
        next = at < next ? at : next;
    }
    return next;
}

static void command_on_time(struct supervisor *s, struct session_task *t)
{
    struct command *c = &t->command;
    if (c->killing) {
        error_set(&s->error, LRUN_INTERNAL, "session.kill",
                  "a command could not be killed within %d s, so the session was ended",
                  KILLED_TIMEOUT / 1000);
        life_fail(s);
        return;
    }
    /* Two deadlines are running, the timeout and the grace of a stop; the earlier one decides what
     * the result says. */
    if (clock_ms() < c->kill_at)
        t->result.timed_out = true;
    kill_command(s, t);
}

void session_on_time(struct supervisor *s)
{
    struct session *x = &s->session;
    int64_t now = clock_ms();
    if (now >= x->stop_at) {
        life_cancel(s);
        return;
    }
    if (now >= x->idle_at) {
        life_end(s);
        return;
    }
    for (size_t i = 0; i < x->count && s->phase == PHASE_RUN; i++) {
        struct session_task *t = x->tasks[i];
        if (now < task_deadline(s, t))
            continue;
        if (!t->operation && (!t->known || t->answered)) {
            caller_leave(&t->caller);
            t->deadline = IO_NO_DEADLINE;
        } else if (is_command(t)) {
            command_on_time(s, t);
        } else {
            error_set(&s->error, LRUN_SEED_FAILED, "session.files",
                      "the sandbox did not go on with its files for %d s, so the session was ended",
                      STALL_TIMEOUT / 1000);
            life_fail(s);
        }
    }
    drop_ended(x);
}

/* ---------------------------------------------------------------- the whole session */

int session_send_ready(struct supervisor *s)
{
    json_t *document = result_to_json(&s->result);
    json_t *isolation = json_object_get(document, "isolation");
    json_t *ready =
        json_pack("{ss,sO,ss}", "id", s->id, "isolation", isolation, "workdir", s->workdir);
    cleanup_free char *text = ready ? json_dumps(ready, JSON_COMPACT) : NULL;
    json_decref(ready);
    json_decref(document);
    if (!text)
        return error_oom(&s->error, "session.open");
    return output_frame(&s->caller.output, FRAME_READY, FRAME_SANDBOX, text, strlen(text),
                        &s->error);
}

int session_begin(struct supervisor *s)
{
    s->session.ready = clock_us();
    look_at_idle(&s->session);
    return session_send_ready(s);
}

int session_stop(struct supervisor *s, int number, int64_t grace, lrun_error *err)
{
    struct session *x = &s->session;
    if (count_commands(x) == 0 || grace == 0) {
        life_cancel(s);
        return 0;
    }
    if (life_thaw(s, err) < 0)
        return -1;
    for (size_t i = 0; i < x->count; i++)
        if (is_command(x->tasks[i]) && !x->tasks[i]->answered &&
            stop_command(s, x->tasks[i], number, grace, err) < 0)
            return -1;
    if (clock_ms() + grace < x->stop_at)
        x->stop_at = clock_ms() + grace;
    s->result.cancelled = true;
    if (count_commands(x) == 0)
        life_cancel(s);
    return 0;
}

bool session_ends_one(const struct supervisor *s)
{
    for (size_t i = 0; i < s->session.count; i++) {
        const struct session_task *t = s->session.tasks[i];
        if (is_going(t) && (t->command.stopping || t->command.killing))
            return true;
    }
    return false;
}

static void end_task(struct supervisor *s, struct session_task *t)
{
    struct run_result *r = &t->result;
    lrun_error e = s->error;
    if (t->answered)
        return;
    if (!s->failed && is_command(t) && t->command.state != COMMAND_WAITING) {
        r->exit_code = 128 + SIGKILL;
        r->signal = SIGKILL;
        r->session_ended = true;
        r->oom_killed = s->result.oom_killed;
        /* The sandbox's own end is no one's order. */
        r->cancelled = r->cancelled || (!s->result.oom_killed && !s->lost);
        session_task_answer(s, t);
        return;
    }
    if (!s->failed) {
        e = (lrun_error){0};
        error_set(&e, LRUN_SUPERVISOR_LOST, "session.run", "the session has ended");
    }
    snprintf(e.id, sizeof(e.id), "%s", s->id);
    session_task_refuse(t, &e);
}

void session_end(struct supervisor *s)
{
    struct session *x = &s->session;
    int64_t deadline = clock_ms() + FAREWELL_TIMEOUT;
    for (size_t i = 0; i < x->count; i++) {
        end_task(s, x->tasks[i]);
        output_drain(&x->tasks[i]->caller.output, deadline);
        task_drop(x->tasks[i]);
    }
    x->count = 0;
    x->copy = NULL;
}
